//! A disk that others have filled: checkpoints wait for room, reads go on.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_engines::{LocalStore, RowKey, TableId};
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{Drive, SimClock};
use tokio_util::sync::CancellationToken;

fn key(entry: u64) -> RowKey {
    RowKey::new(StoreId(0), TableId(40), &entry.to_be_bytes())
}

fn apply(store: &mut LocalStore) {
    let entry = store.applied().0;
    let mut txn = store.begin();
    txn.put(key(entry), Bytes::from(vec![entry as u8; 1 << 20]));
    txn.commit(Lsn(entry + 1));
}

/// Rows of 1 KiB, each as `value`.
fn fill(store: &mut LocalStore, rows: Range<u64>, value: u8) {
    let mut txn = store.begin();
    for row in rows.clone() {
        txn.put(key(row), Bytes::from(vec![value; 1 << 10]));
    }
    txn.commit(Lsn(rows.end));
}

/// A deleted row is small, and costs a page: compaction on a nearly full disk ended the node.
#[tokio::test(start_paused = true)]
async fn rows_that_lie_scattered_are_purged_as_far_as_the_disk_has_room() {
    const ROWS: u64 = 20_000;
    const STEP: usize = 128;
    let drive = Drive::new(2);
    let clock = SimClock::new(Duration::ZERO);
    let mut store = LocalStore::open(drive.mount(), Arc::new(clock.clone())).await.unwrap();
    let stop = CancellationToken::new();
    let worker = store.checkpointer(0).run(stop.clone(), |_| ());
    let events = async {
        for rows in (0..ROWS).step_by(1_000) {
            fill(&mut store, rows..rows + 1_000, 7);
            clock.sleep(Duration::from_secs(2)).await;
        }
        let reader = store.reader();
        let used = drive.used();
        assert!(used > ROWS << 10);
        let doomed: Vec<RowKey> = (0..ROWS).step_by(3).map(key).collect();
        // Each of them in a page of its own, that is five times as much.
        drive.set_capacity(Some(used + (6 << 20)));
        let mut waits = 0;
        for rows in doomed.chunks(STEP) {
            while !reader.may_purge(STEP).await {
                waits += 1;
                assert!(waits < 10_000, "checkpoints make room for the next rows");
                clock.sleep(Duration::from_millis(20)).await;
            }
            reader.purge(rows.iter().cloned());
        }
        assert!(waits > 5, "{waits} waits");
        clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(reader.scan(&key(0), &key(ROWS), ROWS as usize).len() as u64, ROWS - doomed.len() as u64);
        // No room for one.
        drive.set_capacity(Some(drive.used() + (1 << 20)));
        assert!(!reader.may_purge(STEP).await);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker, events);
    ended.unwrap();
}

/// The checkpoint Worker ended with the first write that found no room, and the node with it.
#[tokio::test(start_paused = true)]
async fn checkpoints_wait_while_the_disk_is_full() {
    let drive = Drive::new(1);
    let clock = SimClock::new(Duration::ZERO);
    let open = || LocalStore::open(drive.mount(), Arc::new(SimClock::new(Duration::ZERO)));
    let mut store = open().await.unwrap();
    let stop = CancellationToken::new();
    let worker = store.checkpointer(0).run(stop.clone(), |_| ());
    let events = async {
        apply(&mut store);
        clock.sleep(Duration::from_secs(3)).await;
        assert_eq!(store.reader().persisted(), Lsn(1));
        drive.set_capacity(Some(drive.used()));
        for _ in 0..5 {
            apply(&mut store);
            clock.sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(store.reader().persisted(), Lsn(1));
        assert!((0..6).all(|entry| store.reader().get(&key(entry)).is_some()));
        drive.set_capacity(None);
        clock.sleep(Duration::from_secs(3)).await;
        assert_eq!(store.reader().persisted(), Lsn(6), "there is room again");
        drive.set_capacity(Some(drive.used()));
        apply(&mut store);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker, events);
    ended.unwrap();
    drop(store);
    let store = open().await.unwrap();
    assert_eq!(store.applied(), Lsn(6), "the rest is in the log");
    assert!((0..6).all(|entry| store.reader().get(&key(entry)).is_some()));
}
