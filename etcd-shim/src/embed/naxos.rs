//! [`Naxos`]: a store in this process.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use naxos_client::streams::Log;
use naxos_engines::objects::Objects;
use naxos_proto::etcd::server::etcdserverpb::kv_server::Kv;
use naxos_proto::etcd::server::etcdserverpb::{self as pb};
use naxos_proto::etcd::txn_request::TxnRequest;
use naxos_proto::seams::Address;
use tonic::{Request, Response, Status};

use super::life::Life;
use super::node_log::NodeLog;
use super::pair::pairs;
use super::{Error, Opening, Pair, Read, Transaction, Watch};
use crate::services::Desk;
use crate::services::kv::KvService;
use crate::services::watch::watch_in_process;
use crate::state::Keys;

/// A durable store of keys and values in this process, on one node or replicated ([`Opening::peers`]). Clones are the same
/// store. A write is acknowledged when it is on the disk of a majority of the nodes.
///
/// The node runs on threads of its own. When the last clone is dropped, the node stops in the background; [`Self::stop`]
/// waits for that. The calls need a tokio runtime with timers, of any kind. Nothing is logged unless the program has a `tracing`
/// subscriber.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use naxos::{Keys, Naxos};
/// let store = Naxos::memory().await?; // or Naxos::open("./data").await?
/// let mut changes = store.watch(Keys::prefix("color/")).await?;
/// store.put("color/sky", "blue").await?;
/// let sky = store.get("color/sky").await?.expect("it was put");
/// assert_eq!(sky.value, "blue");
/// assert_eq!(changes.next().await?.key(), "color/sky");
/// assert_eq!(store.delete(Keys::prefix("color/")).await?, 1);
/// store.stop().await;
/// # Ok::<(), naxos::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Naxos(Arc<Life>);

impl Naxos {
    /// Opens the store in a directory, which is made if it is missing. One process at a time can have it open.
    pub fn open(data_dir: impl Into<PathBuf>) -> Opening {
        Opening::at(Some(data_dir.into()))
    }

    /// Opens an empty store that is kept in memory, for tests. It is gone when it is stopped.
    pub fn memory() -> Opening {
        Opening::at(None)
    }

    pub(super) fn new(life: Life) -> Self {
        Self(Arc::new(life))
    }

    /// Puts a key. Returns the revision of the store, which rises with each change.
    ///
    /// # Errors
    /// If it was not done, or may or may not have been done.
    pub async fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<i64, Error> {
        let (key, value) = (Bytes::copy_from_slice(key.as_ref()), Bytes::copy_from_slice(value.as_ref()));
        let request = pb::PutRequest { key, value, ..pb::PutRequest::default() };
        let answer = self.write(async |kv| kv.put(Request::new(request)).await).await?;
        Ok(answer.header.map_or(0, |header| header.revision))
    }

    /// Deletes keys. Returns how many there were.
    ///
    /// # Errors
    /// If it was not done, or may or may not have been done.
    pub async fn delete(&self, keys: impl Into<Keys>) -> Result<u64, Error> {
        let Keys { key, range_end } = keys.into();
        let request = pb::DeleteRangeRequest { key, range_end, prev_kv: false };
        let answer = self.write(async |kv| kv.delete_range(Request::new(request)).await).await?;
        Ok(answer.deleted.unsigned_abs())
    }

    /// Reads a key, as [`Read::Linearizable`].
    ///
    /// # Errors
    /// If the node has ended, does not serve again within 10 s, serves nothing because its state differs from that of
    /// the other nodes, or cannot find out in time what is acknowledged.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Pair>, Error> {
        Ok(self.list_as(key.as_ref(), Read::Linearizable).await?.pop())
    }

    /// Reads keys, in the order of their bytes, as [`Read::Linearizable`].
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn list(&self, keys: impl Into<Keys>) -> Result<Vec<Pair>, Error> {
        self.list_as(keys, Read::Linearizable).await
    }

    /// Reads keys, in the order of their bytes.
    ///
    /// # Errors
    /// As [`Self::get`], or if the revision of [`Read::At`] is compacted or in the future.
    pub async fn list_as(&self, keys: impl Into<Keys>, read: Read) -> Result<Vec<Pair>, Error> {
        let Keys { key, range_end } = keys.into();
        let (serializable, revision) = match read {
            Read::Linearizable => (false, 0),
            Read::Local => (true, 0),
            Read::At(revision) => (true, revision),
        };
        let request = pb::RangeRequest { key, range_end, serializable, revision, ..pb::RangeRequest::default() };
        let desk = self.desk().await?;
        let now = desk.backend.store.read().revision;
        if revision > now {
            return Err(Error::NotDone(format!("this node has applied revision {now}, revision {revision} not yet")));
        }
        let kv = KvService(desk.clone());
        let call = async { pairs(kv.whole_range(request).await?) };
        until_stopped(&desk, Error::Ended, call).await
    }

    /// Begins a transaction.
    pub fn txn(&self) -> Transaction<'_> {
        Transaction::new(self)
    }

    /// Watches keys. Shows every change that this node applies after this call. The watch is served on the runtime of the
    /// caller.
    ///
    /// # Errors
    /// If the node has ended, does not serve again within 10 s, or serves nothing because its state differs from that
    /// of the other nodes.
    pub async fn watch(&self, keys: impl Into<Keys>) -> Result<Watch, Error> {
        self.watch_from(keys, 0).await
    }

    /// Watches keys. Shows every change from this revision on: first those of the past, then those to come. If the
    /// revision is compacted, [`Watch::next`] says so.
    ///
    /// # Errors
    /// As [`Self::watch`].
    pub async fn watch_from(&self, keys: impl Into<Keys>, revision: i64) -> Result<Watch, Error> {
        let Keys { key, range_end } = keys.into();
        let create = pb::WatchCreateRequest { key, range_end, start_revision: revision, ..Default::default() };
        Watch::over(watch_in_process(&self.desk().await?, create)?).await
    }

    /// Forgets the history before a revision: it cannot be read or watched any more, and its room is used again.
    ///
    /// # Errors
    /// If the revision is compacted already or in the future, or if it was not done, or may or may not have been done.
    pub async fn compact(&self, revision: i64) -> Result<(), Error> {
        let request = pb::CompactionRequest { revision, physical: false };
        self.write(async |kv| kv.compact(Request::new(request)).await).await.map(drop)
    }

    /// The replicated objects of this store: registers, maps, counters, lists and others, and transactions over several of
    /// them. The handle is for this start of the node: if its calls say that the node was stopped and the store has not
    /// ended, ask for a new one. Handles of the same start belong together: one transaction may use objects of several.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let store = naxos::Naxos::memory().await?;
    /// let objects = store.objects().await?;
    /// let (hits, last) = (objects.counter("hits").await?, objects.register("last").await?);
    /// let mut transaction = objects.begin().await?;
    /// transaction.write(hits.add(1))?;
    /// transaction.write(last.set("sky"))?;
    /// assert!(matches!(transaction.commit().await?, naxos::objects::Decision::Committed(_)));
    /// assert_eq!(hits.get().linearizable().await?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the node has ended, or does not serve again within 10 s.
    pub async fn objects(&self) -> Result<Objects, Error> {
        Ok(self.0.serving().await?.objects.clone())
    }

    /// The replicated log below this store, for entries of the program's own: append, read, follow, and streams within the
    /// log. From the first call on, by any node, the log is kept until [`Log::trim`]. The log is trimmed only as far as
    /// neither the program nor the store needs it. The handle is for this start of the node, as that of [`Self::objects`].
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use naxos::log::StreamId;
    /// let store = naxos::Naxos::memory().await?;
    /// let log = store.log().await?;
    /// let (paid, all) = (StreamId(1), StreamId(2));
    /// let position = log.append_to(&[paid, all], "10 from Ada to Ben").await?;
    /// log.append_to(&[all], "the shop opens").await?;
    /// let mut payments = log.stream(paid, position);
    /// payments.sync().await?;
    /// let payment = payments.next().await?.expect("it was appended");
    /// assert_eq!(payment.body, "10 from Ada to Ben");
    /// assert!(payments.next().await?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the node has ended or does not serve again within 10 s, or if the first call could not be made known to the other
    /// nodes.
    pub async fn log(&self) -> Result<Log, Error> {
        let desk = self.desk().await?;
        let stop = desk.stop.clone();
        let log = NodeLog(desk);
        log.keep().await.map_err(|error| Error::NotDone(error.to_string()))?;
        Ok(Log::until(Arc::new(log), stop))
    }

    /// Gives up what [`Self::log`] keeps, for the programs on all nodes: the log is trimmed again as far as the store does not
    /// need it. The next call of [`Self::log`] keeps the log from then on.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let store = naxos::Naxos::memory().await?;
    /// let log = store.log().await?; // from here on the log is kept
    /// log.append("the last one").await?;
    /// store.release_log().await?; // and from here on it is trimmed, as the store needs it
    /// # store.stop().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the node has ended or does not serve again within 10 s, or if the log does not answer. Then it may have been done.
    pub async fn release_log(&self) -> Result<(), Error> {
        let released = NodeLog(self.desk().await?).release().await;
        released.map_err(|error| Error::Unknown(error.to_string()))
    }

    /// Where clients of etcd are served; empty without [`Opening::serve_etcd`].
    ///
    /// # Errors
    /// If the node has ended, or does not serve again within 10 s.
    pub async fn etcd_addresses(&self) -> Result<Vec<Address>, Error> {
        Ok(self.0.serving().await?.addresses.clone())
    }

    /// Stops the node, and waits until everything is written and closed. Calls of other clones fail from now on.
    pub async fn stop(self) {
        self.0.stop().await;
    }

    pub(super) async fn transact(&self, request: TxnRequest) -> Result<pb::TxnResponse, Error> {
        self.write(async |kv| kv.txn(Request::new(request)).await).await
    }

    /// Makes a call that may change something.
    async fn write<T>(&self, call: impl AsyncFnOnce(KvService) -> Result<Response<T>, Status>) -> Result<T, Error> {
        let desk = self.desk().await?;
        let call = call(KvService(desk.clone()));
        until_stopped(&desk, Error::Unknown, async { Ok(call.await?.into_inner()) }).await
    }

    /// What the calls of this store use while the node serves.
    pub(crate) async fn desk(&self) -> Result<Desk, Error> {
        Ok(self.0.serving().await?.desk.clone())
    }
}

/// Waits for a call. If the node stops meanwhile, nobody answers the call any more: then the outcome is `lost`. If the
/// program's own state machine has ended the node, the error says why.
pub(super) async fn until_stopped<T>(
    desk: &Desk,
    lost: fn(String) -> Error,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let answer = tokio::select! {
        biased;
        answer = call => answer,
        () = desk.stop.cancelled() => Err(lost(desk.why_stopped())),
    };
    answer.map_err(|error| match (desk.backend.failure.why(), error) {
        (Some(why), Error::NotDone(_)) => Error::NotDone(why.to_owned()),
        (Some(why), Error::Unknown(_)) => Error::Unknown(why.to_owned()),
        (_, error) => error,
    })
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use naxos_engines::objects::{ReadError, SubscriptionError};
    use naxos_proto::ids::Lsn;

    use super::*;
    use crate::{Applicator, Freshness, Refused, Rows};

    struct Echo;

    impl Applicator for Echo {
        fn apply(&self, _: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
            Ok(command.to_vec())
        }
    }

    #[tokio::test]
    async fn a_node_whose_state_differs_shows_neither_its_own_rows_nor_its_objects() {
        let store = Naxos::memory().applicator(Echo).await.unwrap();
        let position = store.propose("hello").await.unwrap().position;
        let hits = store.objects().await.unwrap().counter("hits").await.unwrap();
        let mut changes = hits.object().changes();
        hits.add(1).commit().await.unwrap();
        changes.next().await.unwrap();

        store.desk().await.unwrap().backend.fence.raise(Lsn(7));
        for freshness in [Freshness::Linearizable, Freshness::Local, Freshness::After(position)] {
            let refused = store.query(freshness, |_| ()).await.unwrap_err();
            assert!(refused.to_string().contains("corrupt"), "{freshness:?}: {refused}");
        }
        let refused = hits.get().local().unwrap_err();
        assert!(matches!(&refused, ReadError::NotServed(why) if why.contains("differs")), "{refused}");
        let refused = changes.next().await.unwrap_err();
        assert!(matches!(&refused, SubscriptionError::NotServed(_)), "{refused}");
        store.stop().await;
    }

    #[tokio::test]
    async fn after_a_command_that_cannot_be_applied_no_state_is_shown() {
        let store = Naxos::memory().applicator(Echo).await.unwrap();
        store.put("k", "v").await.unwrap();
        let desk = store.desk().await.unwrap();
        assert_eq!(desk.backend.state_problem(), None);
        let failure = desk.backend.failure.clone();
        assert!(catch_unwind(AssertUnwindSafe(|| failure.end("on purpose".to_owned()))).is_err());
        let range = pb::RangeRequest { key: "k".into(), serializable: true, ..pb::RangeRequest::default() };
        let read = KvService(desk.clone()).range(Request::new(range)).await.map(drop);
        let watched = watch_in_process(&desk, pb::WatchCreateRequest::default()).map(drop);
        for refused in [read, watched, desk.linearize().await] {
            assert_eq!(refused.unwrap_err().message(), "on purpose");
        }
        assert_eq!(desk.backend.state_problem().as_deref(), Some("on purpose"));
        store.stop().await;
    }
}
