//! ViewTracking: coordinated trimming (Delos, SOSP'21, section 4.A).
//!
//! Every proposal carries how far its server could go back to after a crash: the *persisted* cursor. All servers see the
//! same map from server to cursor; its minimum is the safe trim point (safety rule 7). Nothing is proposed for its own
//! sake: an idle node writes nothing.
//!
//! Header, little-endian: version u8 = 1, storage id u64, persisted cursor u64.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::{Lsn, StorageId, StoreId};

use crate::engine::{Applicator, Engine, EngineSwitch, Proposal};
use crate::entry::{Entry, engine_ids};
use crate::local_store::{RowKey, StoreReader, Txn, tables};

const HEADER_FORMAT: u8 = 1;

fn encode(storage: StorageId, persisted: Lsn) -> Bytes {
    let mut out = BytesMut::with_capacity(17);
    out.put_u8(HEADER_FORMAT);
    out.put_u64_le(storage.0);
    out.put_u64_le(persisted.0);
    out.freeze()
}

fn decode(bytes: Bytes) -> Result<(StorageId, Lsn), DecodeError> {
    let mut r = Reader::new(bytes, "view-tracking header");
    r.version(HEADER_FORMAT)?;
    let found = (StorageId(r.u64()?), Lsn(r.u64()?));
    r.end()?;
    Ok(found)
}

/// The lower half.
pub struct ViewTracking {
    below: Arc<dyn Engine>,
    storage: StorageId,
    switch: EngineSwitch,
    reader: StoreReader,
}

impl ViewTracking {
    /// Over `below`; tells the cursor of `storage`.
    pub fn new(below: Arc<dyn Engine>, storage: StorageId, switch: EngineSwitch, reader: StoreReader) -> Arc<Self> {
        Arc::new(Self { below, storage, switch, reader })
    }
}

impl Engine for ViewTracking {
    fn propose(&self, mut proposal: Proposal) {
        if self.switch.is_on() {
            proposal.entry.set_header(engine_ids::VIEW_TRACKING, encode(self.storage, self.reader.persisted()));
        }
        self.below.propose(proposal);
    }

    fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        self.below.sync()
    }

    fn sync_now(&self) -> Option<Lsn> {
        self.below.sync_now()
    }

    fn set_trim_point(&self, lsn: Lsn) {
        self.below.set_trim_point(lsn);
    }
}

/// The upper half.
pub struct ViewTrackingApply<A> {
    up: A,
    switch: EngineSwitch,
    view: BTreeMap<StorageId, Lsn>,
    below: Arc<OnceLock<Arc<dyn Engine>>>,
}

impl<A> ViewTrackingApply<A> {
    /// Under `up`; `below` is set once the stack is built.
    pub fn new(up: A, switch: EngineSwitch, reader: &StoreReader, below: Arc<OnceLock<Arc<dyn Engine>>>) -> Self {
        Self { up, switch, view: load(reader), below }
    }
}

/// The view as of the local store's cursor. Panics when a row is damaged.
pub(crate) fn load(reader: &StoreReader) -> BTreeMap<StorageId, Lsn> {
    let mut view = BTreeMap::new();
    let from = RowKey::new(StoreId(0), tables::VIEW, &[]);
    let end = RowKey::new(StoreId(0), tables::SESSIONS, &[]);
    reader.stream(&from, &end, |key, value| {
        let (storage, cursor) = (<[u8; 8]>::try_from(&key.key[..]), <[u8; 8]>::try_from(value));
        let (Ok(storage), Ok(cursor)) = (storage, cursor) else { panic!("a row of the view is damaged") };
        view.insert(StorageId(u64::from_be_bytes(storage)), Lsn(u64::from_be_bytes(cursor)));
    });
    view
}

impl<A: Applicator> Applicator for ViewTrackingApply<A> {
    type Output = (bool, A::Output);

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output {
        let mut moved = false;
        if self.switch.is_on()
            && let Some(header) = entry.header(engine_ids::VIEW_TRACKING)
        {
            let (storage, persisted) =
                decode(header.clone()).unwrap_or_else(|e| panic!("the entry at {lsn} cannot be applied: {e}"));
            let known = self.view.get(&storage).copied();
            if known.is_none_or(|known| known < persisted) {
                self.view.insert(storage, persisted);
                let row = RowKey::new(StoreId(0), tables::VIEW, &storage.0.to_be_bytes());
                txn.put(row, Bytes::copy_from_slice(&persisted.0.to_be_bytes()));
                moved = true;
            }
        }
        (moved, self.up.apply(txn, lsn, entry))
    }

    fn post_apply(&mut self, lsn: Lsn, (moved, output): Self::Output) {
        if moved
            && let Some(below) = self.below.get()
            && let Some(least) = self.view.values().min()
        {
            below.set_trim_point(*least);
        }
        self.up.post_apply(lsn, output);
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;
    use parking_lot::Mutex;

    use super::*;
    use crate::local_store::LocalStore;

    /// Remembers the last trim point.
    #[derive(Default)]
    struct Bottom(Mutex<Option<Lsn>>);

    impl Engine for Bottom {
        fn propose(&self, _: Proposal) {}

        fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
            Box::pin(std::future::pending())
        }

        fn sync_now(&self) -> Option<Lsn> {
            None
        }

        fn set_trim_point(&self, lsn: Lsn) {
            *self.0.lock() = Some(lsn);
        }
    }

    struct Top;

    impl Applicator for Top {
        type Output = ();

        fn apply(&mut self, _: &mut Txn<'_>, _: Lsn, _: &Entry) {}

        fn post_apply(&mut self, _: Lsn, (): ()) {}
    }

    #[tokio::test]
    async fn rule_7_the_slowest_server_of_the_view_decides_how_far_the_log_is_trimmed() {
        let mut store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("it opens");
        let (switch, bottom, below) = (EngineSwitch::default(), Arc::new(Bottom::default()), Arc::new(OnceLock::new()));
        switch.turn(true, Lsn::ZERO);
        assert!(below.set(bottom.clone() as Arc<dyn Engine>).is_ok());
        let mut view = ViewTrackingApply::new(Top, switch, &store.reader(), below);
        let told = [(1, 40, 40), (2, 10, 10), (1, 90, 10), (2, 70, 70), (2, 60, 70)];
        for (at, (storage, persisted, least)) in (0..).zip(told) {
            let mut entry = Entry::default();
            entry.set_header(engine_ids::VIEW_TRACKING, encode(StorageId(storage), Lsn(persisted)));
            let mut txn = store.begin();
            let output = view.apply(&mut txn, Lsn(at), &entry);
            txn.commit(Lsn(at + 1));
            view.post_apply(Lsn(at), output);
            assert_eq!(*bottom.0.lock(), Some(Lsn(least)), "after entry {at}");
        }
    }
}
