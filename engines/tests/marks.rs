//! The checksums at fixed positions, by which replicas compare their states, and the note of a store that differs.

#![expect(clippy::disallowed_methods, reason = "a test waits for a stack that runs on other tasks")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_client::{SharedLog, VirtualLog};
use naxos_engines::local_store::{MARK_EVERY, MARKS_MAX};
use naxos_engines::{LocalStore, RowKey, TableId};
use naxos_proto::contracts::{ChecksumMark, MARKS_TOLD_MAX};
use naxos_proto::ids::{Boot, Incarnation, Lsn, StorageId, StoreId};
use naxos_proto::seams::sim::{Drive, SimClock};
use support::{Node, World};
use tokio_util::sync::CancellationToken;

/// Waits until both have applied all entries.
async fn settled(one: &Node, two: &Node) {
    let tail = one.log.check_tail().await.unwrap();
    let settled = async {
        while [one, two].into_iter().any(|node| node.stack.reader().applied() < tail) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), settled).await.expect("both apply everything");
}

#[tokio::test]
async fn rule_9_replicas_have_equal_marks_also_after_a_restart() {
    let world = World::new(31);
    let one = world.start(1).await;
    let incarnation = Incarnation { storage: StorageId(2), boot: Boot(1) };
    let drive = Drive::new(32);
    let log = VirtualLog::open(world.parts(incarnation)).await.unwrap();
    let other = world.start_on(log, incarnation, &drive).await;
    for _ in 0..300 {
        one.propose().await;
    }
    settled(&one, &other).await;
    let marks = one.stack.reader().marks();
    assert!(marks.len() >= 4 && marks.len() <= MARKS_TOLD_MAX, "{marks:?}");
    assert_eq!(other.stack.reader().marks(), marks);
    // What was not written to the file is replayed.
    drive.crash();
    other.stop.cancel();
    let incarnation = Incarnation { boot: Boot(2), ..incarnation };
    let log = VirtualLog::open(world.parts(incarnation)).await.unwrap();
    let other = world.start_on(log, incarnation, &drive).await;
    for _ in 0..200 {
        one.propose().await;
    }
    settled(&one, &other).await;
    let (marks, after) = (one.stack.reader().marks(), other.stack.reader().marks());
    assert!(after.len() >= 3 && marks.ends_with(&after), "{marks:?} and {after:?}");
}

async fn open(drive: &Drive) -> LocalStore {
    LocalStore::open(drive.mount(), Arc::new(SimClock::new(Duration::ZERO))).await.unwrap()
}

/// Applies one entry, which writes one row.
fn apply(store: &mut LocalStore, value: &'static [u8]) {
    let next = store.applied().next();
    let mut txn = store.begin();
    txn.put(RowKey::new(StoreId(0), TableId(40), b"row"), Bytes::from_static(value));
    txn.commit(next);
}

async fn checkpoint(store: &LocalStore) {
    let stopped = CancellationToken::new();
    stopped.cancel();
    store.checkpointer(0).run(stopped, |_| ()).await.unwrap();
}

#[tokio::test]
async fn one_entry_that_was_applied_differently_changes_all_later_marks() {
    let (one, two) = (Drive::new(33), Drive::new(34));
    let (mut right, mut wrong) = (open(&one).await, open(&two).await);
    for entry in 0..5 * MARK_EVERY {
        apply(&mut right, b"value");
        apply(&mut wrong, if entry == 2 * MARK_EVERY + 3 { b"other" } else { b"value" });
    }
    let (right, wrong) = (right.reader().marks(), wrong.reader().marks());
    let differ: Vec<bool> = right.iter().zip(&wrong).map(|(a, b)| a.checksum != b.checksum).collect();
    assert_eq!(differ, [false, false, true, true, true]);
    let at: Vec<Lsn> = right.iter().map(|mark| mark.at).collect();
    assert_eq!(at, [1, 2, 3, 4, 5].map(|n| Lsn(n * MARK_EVERY)));
}

#[tokio::test]
async fn marks_are_bounded_however_much_is_applied() {
    let drive = Drive::new(35);
    let mut store = open(&drive).await;
    for _ in 0..3 * MARKS_MAX as u64 * MARK_EVERY {
        apply(&mut store, b"value");
    }
    let marks = store.reader().marks();
    assert!((MARKS_MAX..=MARKS_TOLD_MAX).contains(&marks.len()), "{}", marks.len());
    let newest = ChecksumMark { at: store.applied(), checksum: store.reader().checksum() };
    assert_eq!(marks.last(), Some(&newest));
}

#[tokio::test]
async fn the_note_of_a_store_that_differs_is_durable_even_if_nothing_else_is_written() {
    let drive = Drive::new(36);
    let mut store = open(&drive).await;
    apply(&mut store, b"value");
    checkpoint(&store).await;
    assert_eq!(store.reader().differs(), None);
    store.reader().note_differs(Lsn(64));
    store.reader().note_differs(Lsn(128));
    assert_eq!(store.reader().differs(), Some(Lsn(64)), "the first one counts");
    assert!(!store.reader().has_noted_differs());
    checkpoint(&store).await;
    assert!(store.reader().has_noted_differs());
    drop(store);
    drive.crash();
    let mut store = open(&drive).await;
    assert_eq!((store.reader().differs(), store.applied()), (Some(Lsn(64)), Lsn(1)));
    apply(&mut store, b"more");
    // A copy of the file has the note too.
    let checkpointer = store.checkpointer(0);
    let defragmenter = checkpointer.defragmenter();
    let stop = CancellationToken::new();
    let copies = async {
        let done = defragmenter.defragment().await;
        stop.cancel();
        done
    };
    let (copied, worked) = tokio::join!(copies, checkpointer.run(stop.clone(), |_| ()));
    assert_eq!(copied, Ok(()));
    worked.unwrap();
    drop(store);
    let store = open(&drive).await;
    assert_eq!((store.reader().differs(), store.applied()), (Some(Lsn(64)), Lsn(2)));
    // After a recovery this store is the only one. So it differs from no other, and the note is removed.
    store.reader().clear_differs();
    checkpoint(&store).await;
    drop(store);
    assert_eq!(open(&drive).await.reader().differs(), None);
}
