//! The upper half: keeps the view, and tells the engines below how far the log may be trimmed.

use std::collections::BTreeMap;

use bytes::Bytes;
use naxos_proto::ids::{Lsn, StorageId};

use super::INFO;
use super::header::decode;
use super::view::{load, row};
use crate::engine::{Applicator, Below, EngineSwitch};
use crate::entry::Entry;
use crate::local_store::{StoreReader, Txn};

/// The upper half of the engine.
pub struct ViewTrackingApply<A> {
    up: A,
    switch: EngineSwitch,
    view: BTreeMap<StorageId, Lsn>,
    below: Below,
}

impl<A> ViewTrackingApply<A> {
    /// The upper half, which passes entries on to `up`. `below` is still empty and is set when the whole stack is
    /// built.
    pub fn new(up: A, switch: EngineSwitch, reader: &StoreReader, below: Below) -> Self {
        Self { up, switch, view: load(reader), below }
    }
}

impl<A: Applicator> Applicator for ViewTrackingApply<A> {
    type Output = (bool, A::Output);

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output {
        let mut moved = false;
        if self.switch.is_on()
            && let Some(header) = entry.header(INFO.id)
        {
            let (storage, persisted) =
                decode(header.clone()).unwrap_or_else(|e| panic!("the entry at {lsn} cannot be applied: {e}"));
            let known = self.view.get(&storage).copied();
            if known.is_none_or(|known| known < persisted) {
                self.view.insert(storage, persisted);
                txn.put(row(storage), Bytes::copy_from_slice(&persisted.0.to_be_bytes()));
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
    use std::sync::{Arc, OnceLock};

    use futures::future::BoxFuture;
    use naxos_client::LogError;
    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;
    use parking_lot::Mutex;

    use super::*;
    use crate::engine::{Engine, Proposal};
    use crate::local_store::LocalStore;
    use crate::view_tracking::header::encode;

    /// Remembers the last trim point that it was given.
    #[derive(Default)]
    struct Bottom(Mutex<Option<Lsn>>);

    impl Engine for Bottom {
        fn below(&self) -> Option<&dyn Engine> {
            None
        }

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
            entry.set_header(INFO.id, encode(StorageId(storage), Lsn(persisted)));
            let mut txn = store.begin();
            let output = view.apply(&mut txn, Lsn(at), &entry);
            txn.commit(Lsn(at + 1));
            view.post_apply(Lsn(at), output);
            assert_eq!(*bottom.0.lock(), Some(Lsn(least)), "after entry {at}");
        }
    }
}
