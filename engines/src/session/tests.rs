//! Tests of both halves above an engine whose answers the test decides.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_proto::completion::Completion;
use naxos_proto::ids::{Boot, Incarnation, Lsn, StorageId};
use naxos_proto::seams::BootClock;
use naxos_proto::seams::sim::Drive;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::header::Header;
use super::lower::SETTLE_ATTEMPTS;
use super::*;
use crate::engine::{Applicator, ApplyCost, Engine, EngineSwitch, Proposal, ProposeError};
use crate::entry::Entry;
use crate::local_store::{LocalStore, Txn};

/// Counts the entries that reach it.
#[derive(Default)]
struct Counting(u64);

impl Applicator for Counting {
    type Output = ();

    fn apply(&mut self, _: &mut Txn<'_>, _: Lsn, _: &Entry) {
        self.0 += 1;
    }

    fn is_free(&self) -> bool {
        true
    }

    fn post_apply(&mut self, _: Lsn, (): ()) {}
}

fn incarnation() -> Incarnation {
    Incarnation { storage: StorageId(1), boot: Boot(1) }
}

fn entry(header: Header) -> Entry {
    let mut entry = Entry::default();
    entry.set_header(INFO.id, header.encode());
    entry
}

#[tokio::test]
async fn an_entry_with_a_session_header_is_applied_once_whatever_the_switch_says() {
    let mut store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
    let switch = EngineSwitch::default();
    let parts = SessionParts::new(incarnation(), switch.clone());
    let mut upper = parts.upper(Counting::default(), &store.reader());
    let mut at = Lsn(0);
    let mut apply = |upper: &mut SessionApply<Counting>, header: Header| {
        let mut txn = store.begin();
        let output = upper.apply(&mut txn, at, &entry(header));
        at = at.next();
        txn.commit(at);
        upper.post_apply(at, output);
        upper.up.0
    };
    let open = Header { open: true, session: incarnation(), sequence: 0, floor: 0 };
    let proposal = |sequence| Header { open: false, sequence, ..open };

    apply(&mut upper, open);
    switch.turn(true, Lsn(0));
    assert_eq!(apply(&mut upper, proposal(1)), 1);
    switch.turn(false, Lsn(2));
    assert_eq!(apply(&mut upper, proposal(1)), 1, "sent again, and the engine is off now");
    assert_eq!(apply(&mut upper, proposal(2)), 2, "it set out before the engine was turned off");
    switch.turn(true, Lsn(5));
    assert_eq!(apply(&mut upper, proposal(2)), 2, "what was applied while the engine was off was recorded");
}

/// Loses every proposal, so that nobody can know what became of it. During its third tail check another proposal is
/// made.
struct Forgetful {
    proposed: AtomicU64,
    synced: AtomicU64,
    session: OnceLock<Arc<Session>>,
    second: Mutex<Option<Proposal>>,
}

impl Engine for Forgetful {
    fn below(&self) -> Option<&dyn Engine> {
        None
    }

    fn propose(&self, proposal: Proposal) {
        self.proposed.fetch_add(1, Ordering::Relaxed);
        drop(proposal);
    }

    fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        if self.synced.fetch_add(1, Ordering::Relaxed) == 2
            && let Some(second) = self.second.lock().take()
        {
            self.session.get().expect("set before it runs").propose(second);
        }
        Box::pin(std::future::ready(Ok(Lsn(0))))
    }

    fn sync_now(&self) -> Option<Lsn> {
        None
    }

    fn set_trim_point(&self, _: Lsn) {}
}

#[tokio::test]
async fn each_proposal_of_unknown_outcome_has_attempts_of_its_own() {
    let proposal = || {
        let (settled, outcome) = Completion::channel();
        (Proposal { entry: Entry::default(), commands: 1, cost: ApplyCost::Unknown, settled }, outcome)
    };
    let ((first, first_outcome), (second, second_outcome)) = (proposal(), proposal());
    let below = Arc::new(Forgetful {
        proposed: AtomicU64::new(0),
        synced: AtomicU64::new(0),
        session: OnceLock::new(),
        second: Mutex::new(Some(second)),
    });
    let switch = EngineSwitch::default();
    switch.turn(true, Lsn(0));
    let session = SessionParts::new(incarnation(), switch).lower(below.clone(), Arc::new(BootClock));
    assert!(below.session.set(Arc::clone(&session)).is_ok());
    session.propose(first);
    let stop = CancellationToken::new();
    let both = async {
        for outcome in [first_outcome.await, second_outcome.await] {
            assert!(matches!(outcome, Err(ProposeError::Unknown(_))), "a lost proposal is no success: {outcome:?}");
        }
        stop.cancel();
    };
    tokio::join!(session.tend(stop.clone()), both);
    let each = u64::from(SETTLE_ATTEMPTS);
    assert_eq!(below.proposed.load(Ordering::Relaxed), 2 * each, "once, and again at each attempt but the last");
}
