//! Defragment: a copy that has no room, or fails, leaves nothing behind, and the store goes on working.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_engines::local_store::StoreError;
use naxos_engines::{LocalStore, RowKey, TableId};
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{Drive, Fault, Latency, SimClock};
use tokio_util::sync::CancellationToken;

const COPY: &str = "store.redb.new";
const RESERVE_BYTES: u64 = 1 << 20;
/// Number of rows that an entry writes. They are so many that a copy takes several slices.
const ROWS: u32 = 5_000;

fn key(entry: u64, n: u32) -> RowKey {
    RowKey::new(StoreId(0), TableId(40), &[&entry.to_be_bytes()[..], &n.to_be_bytes()].concat())
}

async fn open(drive: &Drive) -> LocalStore {
    LocalStore::open(drive.mount(), Arc::new(SimClock::new(Duration::ZERO))).await.unwrap()
}

fn apply(store: &mut LocalStore) {
    let entry = store.applied().0;
    let mut txn = store.begin();
    (0..ROWS).for_each(|n| txn.put(key(entry, n), Bytes::from(vec![entry as u8; 1_000])));
    txn.commit(Lsn(entry + 1));
}

fn check(store: &LocalStore, entries: u64, context: &str) {
    assert_eq!(store.applied(), Lsn(entries), "{context}");
    for (entry, n) in (0..entries).flat_map(|e| (0..ROWS).step_by(7).map(move |n| (e, n))) {
        let found = store.reader().get(&key(entry, n));
        assert!(found.is_some_and(|v| v[..] == vec![entry as u8; 1_000]), "{context}: row {n} of entry {entry}");
    }
}

async fn write(store: &LocalStore) {
    let stopped = CancellationToken::new();
    stopped.cancel();
    store.checkpointer(0).run(stopped, |_| ()).await.unwrap();
}

async fn filled(drive: &Drive) -> LocalStore {
    let mut store = open(drive).await;
    for _ in 0..2 {
        apply(&mut store);
        write(&store).await;
    }
    store
}

/// Runs a defragmentation. Returns its answer, and how the checkpoint Worker ended. `meddle` is called when the copy's
/// file exists.
async fn defragment(
    drive: &Drive,
    store: &mut LocalStore,
    reserve_bytes: u64,
    meddle: impl FnOnce(&mut LocalStore),
) -> (Result<(), String>, Result<(), StoreError>) {
    let stop = CancellationToken::new();
    let checkpointer = store.checkpointer(reserve_bytes);
    let defragmenter = checkpointer.defragmenter();
    let clock = SimClock::new(Duration::ZERO);
    let worker = checkpointer.run(stop.clone(), |_| ());
    let asks = async {
        let (done, ()) = tokio::join!(defragmenter.defragment(), async {
            for _ in 0..20 {
                clock.sleep(Duration::from_millis(1)).await;
                if has_copy(drive) {
                    return meddle(store);
                }
            }
        });
        stop.cancel();
        done
    };
    let (ended, done) = tokio::join!(worker, asks);
    (done, ended)
}

fn has_copy(drive: &Drive) -> bool {
    drive.paths().iter().any(|p| p == COPY)
}

#[tokio::test(start_paused = true)]
async fn a_copy_without_room_is_refused_before_it_is_begun() {
    let drive = Drive::new(1);
    let mut store = filled(&drive).await;
    let file = store.reader().file_bytes();
    let free = file + RESERVE_BYTES - 1;
    drive.set_capacity(Some(drive.used() + free));
    let (done, ended) = defragment(&drive, &mut store, RESERVE_BYTES, |_| panic!("a copy was begun")).await;
    let text = done.unwrap_err();
    let needed = format!("{free} bytes are free, {} are needed", free + 1);
    assert!(text.contains("store.redb") && text.contains(&needed), "{text}");
    ended.unwrap();
    check(&store, 2, "after a refusal");
    drive.set_capacity(None);
    defragment(&drive, &mut store, RESERVE_BYTES, apply).await.0.unwrap();
    drop(store);
    check(&open(&drive).await, 3, "after a copy");
}

/// Regression: the copy filled the disk to the last byte and stayed there, so no later start had room for its first
/// write.
#[tokio::test(start_paused = true)]
async fn a_copy_that_runs_out_of_room_is_removed() {
    for (left, reserve) in [(0, 0), (0, RESERVE_BYTES), (RESERVE_BYTES - 1, RESERVE_BYTES)] {
        let context = format!("{left} bytes are left during the copy, {reserve} are to stay free");
        let drive = Drive::new(2);
        let mut store = filled(&drive).await;
        let fill = |_: &mut LocalStore| drive.set_capacity(Some(drive.used() + left));
        let (done, ended) = defragment(&drive, &mut store, reserve, fill).await;
        let text = done.unwrap_err();
        assert!(text.contains(if reserve > 0 { "are needed" } else { "no storage space" }), "{context}: {text}");
        assert!(!has_copy(&drive), "{context}");
        ended.unwrap_or_else(|e| panic!("{context}: {e}"));
        apply(&mut store);
        drive.set_capacity(None);
        write(&store).await;
        drop(store);
        check(&open(&drive).await, 3, &context);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_copy() {
    let drive = Drive::new(4);
    let store = filled(&drive).await;
    let clock = SimClock::new(Duration::ZERO);
    let stop = CancellationToken::new();
    let checkpointer = store.checkpointer(0);
    let defragmenter = checkpointer.defragmenter();
    let stops = async {
        for _ in 0..100 {
            clock.sleep(Duration::from_millis(1)).await;
            if has_copy(&drive) {
                return stop.cancel();
            }
        }
        panic!("no copy was begun");
    };
    let (ended, done, ()) = tokio::join!(checkpointer.run(stop.clone(), |_| ()), defragmenter.defragment(), stops);
    ended.unwrap();
    assert_eq!(done.unwrap_err(), "the node is stopping");
    assert!(!has_copy(&drive));
    drop(store);
    check(&open(&drive).await, 2, "after a stop");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_cannot_be_written_is_removed_and_the_store_goes_on() {
    let mut failures = 0;
    for from in (1..12).chain([16, 20]) {
        for sync in [false, true] {
            let context = format!("{} from number {from} on fail", if sync { "syncs" } else { "writes" });
            let drive = Drive::new(3);
            let mut store = filled(&drive).await;
            let path = COPY.to_owned();
            drive.set_fault(if sync { Fault::Sync { path, from } } else { Fault::Write { path, from } });
            let (done, ended) = defragment(&drive, &mut store, 0, apply).await;
            ended.unwrap_or_else(|e| panic!("{context}: {e}"));
            assert!(!has_copy(&drive), "{context}");
            if let Err(text) = done {
                assert!(text.contains("the copy of store.redb failed"), "{context}: {text}");
                failures += 1;
            }
            drive.clear_faults();
            let applied = store.applied().0;
            drop(store);
            check(&open(&drive).await, applied, &context);
        }
    }
    assert!(failures > 12, "{failures}");
}

/// Regression: a copy went on to the newest row. A store whose clients added rows faster than the copy went on was never
/// copied, so a member with an empty disk never came back.
#[tokio::test(start_paused = true)]
async fn a_copy_ends_even_if_rows_are_added_faster_than_it_goes_on() {
    // The loop below adds 5 MB/s, which is more than the slices of the copy can write to this disk.
    const ADDED_AT_A_TIME: u32 = 10;
    const TIMES: u64 = 3_000;
    let millis = Duration::from_millis;
    let drive = Drive::new(5);
    let mut store = filled(&drive).await;
    drive.set_latency(Latency { read: Duration::ZERO, write: millis(5), sync: millis(1) });
    let (clock, stop) = (SimClock::new(Duration::ZERO), CancellationToken::new());
    let checkpointer = store.checkpointer(0);
    let defragmenter = checkpointer.defragmenter();
    let worker = checkpointer.run(stop.clone(), |_| ());
    let adds = async {
        let mut copied = std::pin::pin!(defragmenter.defragment());
        for added in 0..TIMES {
            tokio::select! {
                biased;
                done = &mut copied => return (done, added),
                () = clock.sleep(millis(2)) => {}
            }
            let entry = store.applied().0;
            let mut txn = store.begin();
            (0..ADDED_AT_A_TIME).for_each(|n| txn.put(key(entry, n), Bytes::from(vec![entry as u8; 1_000])));
            txn.commit(Lsn(entry + 1));
        }
        (Err("the copy does not end".to_owned()), TIMES)
    };
    let (ended, (done, added)) = tokio::join!(worker, async {
        let done = adds.await;
        stop.cancel();
        done
    });
    done.unwrap();
    ended.unwrap();
    assert!(added > 10, "rows were added meanwhile: {added}");
    drop(store);
    let store = open(&drive).await;
    for (entry, n) in (2..2 + added).flat_map(|e| (0..ADDED_AT_A_TIME).step_by(7).map(move |n| (e, n))) {
        let found = store.reader().get(&key(entry, n));
        assert!(found.is_some_and(|v| v[..] == vec![entry as u8; 1_000]), "row {n} of entry {entry}");
    }
}
