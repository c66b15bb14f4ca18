//! Safety rule 12: everything that may wait is bounded, and beyond the bound the caller gets a clear error.

#![expect(clippy::disallowed_methods, reason = "a test's tasks end with the test")]

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_engines::batching::{Batching, Reply};
use naxos_engines::local_store::DELTA_BYTES_MAX;
use naxos_engines::reply_port::{ReplyPort, Waiter};
use naxos_engines::{
    ApplyCost, Engine, EngineSwitch, LocalStore, Proposal, ProposeError, RowKey, StoreReader, TableId,
};
use naxos_proto::contracts::Refusal;
use naxos_proto::ids::{Incarnation, Lsn, StoreId};
use naxos_proto::seams::BootClock;
use naxos_proto::seams::sim::Drive;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// A log that never answers.
#[derive(Default)]
struct Silent(Mutex<Vec<Proposal>>);

impl Engine for Silent {
    fn below(&self) -> Option<&dyn Engine> {
        None
    }

    fn propose(&self, proposal: Proposal) {
        self.0.lock().push(proposal);
    }

    fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        Box::pin(std::future::pending())
    }

    fn sync_now(&self) -> Option<Lsn> {
        None
    }

    fn set_trim_point(&self, _: Lsn) {}
}

async fn store() -> LocalStore {
    LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.unwrap()
}

/// Batching on a log that never answers.
fn over_silence(reader: StoreReader) -> (Arc<Batching<u64>>, Arc<Silent>) {
    let (below, silent) = (Arc::new(OnceLock::new()), Arc::new(Silent::default()));
    assert!(below.set(silent.clone() as Arc<dyn Engine>).is_ok());
    (Batching::new(Incarnation::default(), EngineSwitch::default(), below, reader), silent)
}

/// Proposes `command` `times` times to a stack whose log never answers. Returns how often it was refused.
async fn refusals(reader: StoreReader, command: &'static [u8], times: usize) -> usize {
    let (batching, silent) = over_silence(reader);
    let port: Arc<ReplyPort<Reply<u64>>> = ReplyPort::new();
    let stop = CancellationToken::new();
    tokio::spawn(port.clone().dispatch(|| {}, stop.clone()));
    let mut replies = Vec::new();
    for _ in 0..times {
        let (waiter, reply) = Waiter::new(&port);
        batching.propose(Bytes::from_static(command), ApplyCost::Unknown, waiter);
        batching.flush();
        replies.push(reply);
    }
    batching.shut();
    // The batches in flight stay unanswered.
    let in_flight = silent.0.lock().len();
    let mut refused = 0;
    for reply in replies.into_iter().skip(in_flight) {
        match reply.await.unwrap() {
            Err(ProposeError::Refused(why)) => {
                assert_eq!(why, Refusal::Overloaded);
                refused += 1;
            }
            other => assert_eq!(other, Err(ProposeError::Stopped)),
        }
    }
    stop.cancel();
    refused
}

#[tokio::test]
async fn rule_12_commands_that_wait_are_bounded_by_number_and_by_bytes() {
    static LARGE: [u8; 1 << 20] = [0; 1 << 20];
    let reader = store().await.reader();
    // Two commands are in flight, and 16,384 wait.
    assert_eq!(refusals(reader.clone(), b"x", 16_384 + 2 + 5).await, 5);
    // Two commands are in flight, and 64 MiB wait.
    assert_eq!(refusals(reader, &LARGE, 64 + 2 + 3).await, 3);
}

/// Applies entries until the checkpoint is so far behind that proposals wait. Returns the number of entries applied.
fn fill(store: &mut LocalStore) -> u8 {
    let value = Bytes::from(vec![1; DELTA_BYTES_MAX / 2]);
    let mut entries = 0;
    while !store.reader().is_behind() {
        let mut txn = store.begin();
        txn.put(RowKey::new(StoreId(0), TableId(40), &[entries]), value.clone());
        entries += 1;
        txn.commit(Lsn(entries.into()));
        assert!(entries < 10, "nobody writes checkpoints, and proposals go on");
    }
    entries
}

#[tokio::test]
async fn rule_12_what_the_checkpoint_has_not_written_is_bounded() {
    let mut store = store().await;
    let entries = fill(&mut store);
    assert!(entries >= 4, "proposals wait after {entries} entries, and two deltas have room for 4");
    assert_eq!(refusals(store.reader(), b"x", 16_384 + 5).await, 5, "nothing is in flight, all that fits waits");
}

/// Regression: a node that had much to replay on a full disk could not announce itself and did not start.
#[tokio::test]
async fn a_start_may_propose_a_little_although_replayed_entries_fill_the_deltas() {
    let mut store = store().await;
    let mut entries = fill(&mut store);
    let reader = store.reader();
    reader.note_replayed();
    assert!(!reader.is_behind(), "{entries} entries were replayed");
    let mut apply = |bytes: usize| {
        entries += 1;
        let mut txn = store.begin();
        txn.put(RowKey::new(StoreId(0), TableId(40), &[entries]), vec![1; bytes].into());
        txn.commit(Lsn(entries.into()));
    };
    apply(128 << 10);
    assert!(!reader.is_behind());
    apply(1 << 20);
    assert!(reader.is_behind(), "1 MiB more was applied, and proposals do not wait");
}

#[tokio::test]
async fn proposals_that_wait_for_the_checkpoint_go_on_when_the_checkpoint_has_moved() {
    let mut store = store().await;
    fill(&mut store);
    let (batching, silent) = over_silence(store.reader());
    let port: Arc<ReplyPort<Reply<u64>>> = ReplyPort::new();
    batching.propose(Bytes::from_static(b"x"), ApplyCost::Unknown, Waiter::new(&port).0);
    batching.flush();
    assert!(silent.0.lock().is_empty(), "the store is behind");

    let stop = CancellationToken::new();
    let checkpoints = store.checkpointer(0).run(stop.clone(), |_| ());
    let tending = batching.tend(stop.clone());
    let gone = async {
        while silent.0.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (written, (), ()) = tokio::join!(checkpoints, tending, gone);
    written.unwrap();
}
