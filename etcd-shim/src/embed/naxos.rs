//! [`Naxos`]: a store in this process.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::objects::Objects;
use naxos_proto::etcd::server::etcdserverpb::kv_server::Kv;
use naxos_proto::etcd::server::etcdserverpb::{self as pb};
use naxos_proto::etcd::txn_request::TxnRequest;
use naxos_proto::seams::Address;
use tonic::{Request, Response, Status};

use super::life::Life;
use super::node_objects::NodeObjects;
use super::pair::pairs;
use super::{Error, Freshness, Opening, Pair, Read, Transaction, Watch};
use crate::services::Desk;
use crate::services::kv::KvService;
use crate::services::own::propose_own;
use crate::services::watch::watch_in_process;
use crate::state::own::OwnMachine;
use crate::state::{Applied, Keys, View};

/// A durable store of keys and values in this process, on one node or replicated ([`Opening::peers`]). Clones are the same
/// store. A write is acknowledged when it is on the disk of a majority of the nodes.
///
/// The node runs on threads of its own. When the last clone is dropped, the node stops in the background; [`Self::stop`]
/// waits for that. The calls need a tokio runtime, of any kind. Nothing is logged unless the program has a `tracing`
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
        until_stopped(&desk, ended, call).await
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

    /// Proposes a command of the program's own state machine ([`Opening::applicator`]), and waits until it is durable and
    /// this node has applied it.
    ///
    /// # Errors
    /// If the state machine refused it ([`Error::Refused`]), or if it was not done, or may or may not have been done.
    pub async fn propose(&self, command: impl AsRef<[u8]>) -> Result<Applied, Error> {
        let command = Bytes::copy_from_slice(command.as_ref());
        let desk = self.desk().await?;
        own(&desk)?;
        let call = async { propose_own(&desk, command).await?.map_err(|refused| Error::Refused(refused.0)) };
        until_stopped(&desk, unknown, call).await
    }

    /// Looks at the rows of the program's own state machine. `look` runs on the caller's thread, and may read from the disk.
    ///
    /// # Errors
    /// If the node has ended or does not serve again within 10 s, if the store has no state machine of the program's
    /// own, or if the node cannot show in time a state that is as fresh as `freshness` asks for. Except with
    /// [`Freshness::After`], also if the node serves nothing because its state differs from that of the other nodes.
    pub async fn query<T>(&self, freshness: Freshness, look: impl FnOnce(&View<'_>) -> T) -> Result<T, Error> {
        let desk = self.desk().await?;
        let own = own(&desk)?;
        let fresh = async {
            match freshness {
                Freshness::Linearizable => desk.linearize().await.map_err(Error::from),
                Freshness::Local => desk.backend.fence.check().map_err(|refused| Error::from(Status::from(refused))),
                Freshness::After(position) => {
                    let reached = desk.pending.deadlines.within(own.reaches(position)).await;
                    reached
                        .ok_or_else(|| Error::NotDone(format!("this node did not come to position {position} in time")))
                }
            }
        };
        until_stopped(&desk, ended, fresh).await?;
        Ok(own.look(look))
    }

    /// The replicated objects of this store: registers, maps, counters, lists and others, and transactions over several of
    /// them. The handle is for this start of the node: if its calls say that the node was stopped and the store has not
    /// ended, ask for a new one.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let store = naxos::Naxos::memory().await?;
    /// let objects = store.objects().await?;
    /// let (hits, last) = (objects.counter("hits").await?, objects.register("last").await?);
    /// let mut transaction = objects.begin().await?;
    /// transaction.write(hits.add(1))?;
    /// transaction.write(last.set("sky"))?;
    /// transaction.commit().await?;
    /// assert_eq!(hits.get().linearizable().await?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the node has ended, or does not serve again within 10 s.
    pub async fn objects(&self) -> Result<Objects, Error> {
        let desk = self.desk().await?;
        let changed = desk.backend.objects_changed.clone();
        Ok(Objects::new(Arc::new(NodeObjects(desk)), changed))
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
        until_stopped(&desk, unknown, async { Ok(call.await?.into_inner()) }).await
    }

    async fn desk(&self) -> Result<Desk, Error> {
        Ok(self.0.serving().await?.desk.clone())
    }
}

/// The program's own state machine on the node.
fn own(desk: &Desk) -> Result<&OwnMachine, Error> {
    desk.backend.own.as_deref().ok_or_else(|| {
        Error::Invalid(
            "this store has no state machine of its own: expected `Naxos::open(..).applicator(..)`".to_owned(),
        )
    })
}

/// What became of a read that the node did not answer before it stopped.
fn ended() -> Error {
    Error::Ended("it was stopped during the call".to_owned())
}

/// What became of a write that the node did not answer before it stopped.
fn unknown() -> Error {
    Error::Unknown("the node was stopped during the call".to_owned())
}

/// Waits for a call. If the node stops meanwhile, nobody answers the call any more: then the outcome is `lost`.
async fn until_stopped<T>(
    desk: &Desk,
    lost: fn() -> Error,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        answer = call => answer,
        () = desk.stop.cancelled() => Err(lost()),
    }
}
