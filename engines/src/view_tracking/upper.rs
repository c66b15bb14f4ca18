//! The upper half: keeps the view, and tells the engines below how far the log may be trimmed.

use std::sync::Arc;

use naxos_proto::ids::{Lsn, StorageId};

use super::INFO;
use super::header::Told;
use super::view::View;
use crate::engine::{Applicator, Below, EngineSwitch};
use crate::entry::Entry;
use crate::local_store::Txn;

/// The upper half of the engine.
pub struct ViewTrackingApply<A> {
    pub(super) up: A,
    pub(super) own: StorageId,
    pub(super) switch: EngineSwitch,
    pub(super) view: Arc<View>,
    pub(super) below: Below,
}

impl<A: Applicator> Applicator for ViewTrackingApply<A> {
    type Output = (bool, A::Output);

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output {
        let mut moved = false;
        self.view.applied(entry.payload.len());
        if self.switch.is_on()
            && let Some(header) = entry.header(INFO.id)
        {
            let told = Told::decode(header.clone());
            let told = told.unwrap_or_else(|e| panic!("the entry at {lsn} cannot be applied: {e}"));
            moved = self.view.apply(txn, told, self.own);
        }
        (moved, self.up.apply(txn, lsn, entry))
    }

    fn is_free(&self) -> bool {
        self.up.is_free()
    }

    fn post_apply(&mut self, lsn: Lsn, (moved, output): Self::Output) {
        if moved
            && let Some(below) = self.below.get()
            && let Some(least) = self.view.least()
        {
            below.set_trim_point(least);
        }
        self.up.post_apply(lsn, output);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, OnceLock};

    use futures::future::BoxFuture;
    use naxos_client::LogError;
    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;
    use parking_lot::Mutex;

    use super::*;
    use crate::engine::{Engine, Proposal};
    use crate::local_store::LocalStore;
    use crate::view_tracking::ViewTrackingParts;

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

        fn is_free(&self) -> bool {
            true
        }

        fn post_apply(&mut self, _: Lsn, (): ()) {}
    }

    /// A view of server 1 on an empty store, and the engine below it. See `HeldLog::servers_min` for `servers_min`.
    async fn a_view_of(servers_min: usize) -> (LocalStore, ViewTrackingApply<Top>, Arc<Bottom>) {
        let store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("it opens");
        let (switch, bottom, below) = (EngineSwitch::default(), Arc::new(Bottom::default()), Arc::new(OnceLock::new()));
        switch.turn(true, Lsn::ZERO);
        assert!(below.set(bottom.clone() as Arc<dyn Engine>).is_ok());
        let servers_min = Arc::new(AtomicUsize::new(servers_min));
        let view = ViewTrackingParts::new(StorageId(1), switch, &store.reader(), servers_min).upper(Top, below);
        (store, view, bottom)
    }

    /// Applies an entry with the header `told`. Returns the trim point after it.
    fn apply(store: &mut LocalStore, view: &mut ViewTrackingApply<Top>, bottom: &Bottom, told: Told) -> Option<Lsn> {
        let mut entry = Entry::default();
        entry.set_header(INFO.id, told.encode());
        let at = store.applied();
        let mut txn = store.begin();
        let output = view.apply(&mut txn, at, &entry);
        txn.commit(at.next());
        view.post_apply(at, output);
        *bottom.0.lock()
    }

    /// Applies entries with the headers in `told`, and checks the trim point after each.
    fn play(
        store: &mut LocalStore,
        view: &mut ViewTrackingApply<Top>,
        bottom: &Bottom,
        told: impl IntoIterator<Item = (Told, u64)>,
    ) {
        for (told, least) in told {
            assert_eq!(apply(store, view, bottom, told), Some(Lsn(least)), "after {told:?}");
        }
    }

    fn persisted(storage: u64, at: u64) -> Told {
        Told::Persisted(StorageId(storage), Lsn(at))
    }

    #[tokio::test]
    async fn rule_7_the_slowest_server_of_the_view_decides_how_far_the_log_is_trimmed() {
        let (mut store, mut view, bottom) = a_view_of(1).await;
        let told = [(1, 40, 40), (2, 10, 10), (1, 90, 10), (2, 70, 70), (2, 60, 70)];
        play(&mut store, &mut view, &bottom, told.map(|(storage, at, least)| (persisted(storage, at), least)));
    }

    #[tokio::test]
    async fn rule_7_the_log_is_kept_for_a_server_that_joins() {
        let (mut store, mut view, bottom) = a_view_of(1).await;
        let hold = |at| Told::Hold(StorageId(9), Lsn(at));
        let eject = |at| Told::Eject(StorageId(9), Lsn(at));
        let told = [
            (persisted(1, 40), 40),
            (hold(39), 39),
            (persisted(1, 90), 39),
            (hold(20), 39),
            (hold(60), 60),
            // The server is at position 60 by now, so an ejection at position 39 does nothing.
            (eject(39), 60),
            (persisted(9, 61), 61),
            (eject(60), 61),
            (persisted(1, 95), 61),
        ];
        play(&mut store, &mut view, &bottom, told);
    }

    #[tokio::test]
    async fn rule_7_the_log_is_kept_until_enough_servers_have_the_state_that_it_leads_to() {
        let (mut store, mut view, bottom) = a_view_of(2).await;
        let mut apply = |told| apply(&mut store, &mut view, &bottom, told);
        assert_eq!(apply(persisted(1, 40)), None, "the only copy of the state is on server 1");
        assert_eq!(apply(Told::Hold(StorageId(2), Lsn(39))), None, "server 2 has only asked for a snapshot");
        assert_eq!(apply(persisted(1, 90)), None);
        assert_eq!(apply(persisted(2, 39)), Some(Lsn(39)), "server 2 has the state at the hold now");
        assert_eq!(apply(persisted(2, 70)), Some(Lsn(70)));
        assert_eq!(apply(Told::Eject(StorageId(2), Lsn(70))), Some(Lsn(70)), "one copy again: nothing more is trimmed");
        assert_eq!(apply(persisted(1, 95)), Some(Lsn(70)));
    }

    #[tokio::test]
    async fn a_server_that_was_ejected_holds_nothing_back_until_it_tells_its_cursor_again() {
        let (mut store, mut view, bottom) = a_view_of(1).await;
        let told = [
            (persisted(1, 40), 40),
            (persisted(2, 10), 10),
            (persisted(1, 90), 10),
            (Told::Eject(StorageId(2), Lsn(10)), 90),
            (persisted(1, 95), 95),
            (persisted(2, 93), 93),
        ];
        play(&mut store, &mut view, &bottom, told);
        assert_eq!(view.view.now().cursors, [(StorageId(1), Lsn(95)), (StorageId(2), Lsn(93))].into());
    }
}
