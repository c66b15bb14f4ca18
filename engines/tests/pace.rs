//! A checkpoint leaves the cores and the device to clients as long as no client waits for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_engines::local_store::DELTA_BYTES_MAX;
use naxos_engines::{LocalStore, RowKey, TableId};
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{Drive, SimClock};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

fn key(row: u64) -> RowKey {
    RowKey::new(StoreId(0), TableId(40), &row.to_be_bytes())
}

async fn store() -> LocalStore {
    LocalStore::open(Drive::new(1).mount(), Arc::new(SimClock::new(Duration::ZERO))).await.unwrap()
}

/// Applies an entry that writes `bytes` bytes in rows of 1 KiB.
fn apply(store: &mut LocalStore, bytes: usize) {
    let entry = store.applied().0;
    let mut txn = store.begin();
    for row in 0..(bytes >> 10) as u64 {
        txn.put(key(entry << 32 | row), Bytes::from(vec![1; 1 << 10]));
    }
    txn.commit(Lsn(entry + 1));
}

/// How long the first checkpoint takes if two deltas wait and the open one has `open_bytes` bytes.
async fn took_beside(open_bytes: usize) -> Duration {
    let mut store = store().await;
    apply(&mut store, DELTA_BYTES_MAX);
    apply(&mut store, DELTA_BYTES_MAX);
    apply(&mut store, open_bytes);
    let stop = CancellationToken::new();
    let took = Mutex::new(Vec::new());
    store
        .checkpointer(0)
        .run(stop.clone(), |stats| {
            took.lock().push(stats.took);
            stop.cancel();
        })
        .await
        .unwrap();
    took.into_inner()[0]
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_rests_until_proposals_would_soon_wait_for_it() {
    let rested = took_beside(1 << 20).await;
    assert!(rested >= Duration::from_millis(70), "{rested:?} for 16 slices and 30 pieces");
    assert_eq!(took_beside(DELTA_BYTES_MAX / 2).await, Duration::ZERO);
}

/// Purges rows from `next` on until no more may be purged. Returns their number.
async fn purge_all(store: &LocalStore, next: u64) -> u64 {
    let reader = store.reader();
    let mut purged = 0;
    while reader.may_purge(256).await {
        reader.purge((next + purged..next + purged + 256).map(key));
        purged += 256;
        assert!(purged < 1 << 20, "purging goes on without end, although nobody writes checkpoints");
    }
    purged
}

#[tokio::test(start_paused = true)]
async fn what_is_purged_leaves_a_delta_to_entries_and_keeps_up_with_them() {
    let mut store = store().await;
    let purged = purge_all(&store, 0).await;
    assert!(purged > 200_000, "{purged} rows are less than two deltas");
    assert!(!store.reader().is_behind());
    apply(&mut store, DELTA_BYTES_MAX / 4);
    assert_eq!(purge_all(&store, purged).await, 2 * (DELTA_BYTES_MAX as u64 >> 12));
    assert!(!store.reader().is_behind(), "the delta is for entries first");
    // Rows are counted here and not bytes: after an entry with one more row, even a large one, only one more call of
    // `purge` is allowed.
    let mut txn = store.begin();
    txn.put(key(1 << 40), Bytes::from(vec![1; 1 << 20]));
    txn.commit(Lsn(2));
    assert_eq!(purge_all(&store, 1 << 50).await, 256);
}

#[tokio::test(start_paused = true)]
async fn what_was_just_frozen_is_written_alone() {
    let mut store = store().await;
    let clock = SimClock::new(Duration::ZERO);
    let stop = CancellationToken::new();
    let rows = Mutex::new(Vec::new());
    let checkpoints = store.checkpointer(0).run(stop.clone(), |stats| rows.lock().push(stats.rows));
    let entries = async {
        apply(&mut store, DELTA_BYTES_MAX);
        apply(&mut store, 1 << 10);
        clock.sleep(Duration::from_millis(500)).await;
        assert_eq!(rows.lock().len(), 1, "the small delta is neither full nor old");
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(rows.lock()[1], 1);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(checkpoints, entries);
    ended.unwrap();
}
