//! A checkpoint leaves the cores and the device to clients as long as none of them waits for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_engines::local_store::DELTA_BYTES_MAX;
use naxos_engines::{LocalStore, RowKey, TableId};
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::sim::{Drive, SimClock};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

fn key(row: u64) -> RowKey {
    RowKey::new(StoreId(0), TableId(40), &row.to_be_bytes())
}

async fn store() -> LocalStore {
    LocalStore::open(Drive::new(1).mount(), Arc::new(SimClock::new(Duration::ZERO))).await.unwrap()
}

/// An entry of one KiB rows.
fn apply(store: &mut LocalStore, bytes: usize) {
    let entry = store.applied().0;
    let mut txn = store.begin();
    for row in 0..(bytes >> 10) as u64 {
        txn.put(key(entry << 32 | row), Bytes::from(vec![1; 1 << 10]));
    }
    txn.commit(Lsn(entry + 1));
}

/// What the first checkpoint took where two deltas wait, and the open one has so many bytes.
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
    let first = took.lock()[0];
    first
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_rests_until_proposals_would_soon_wait_for_it() {
    // Sixteen slices and sixteen pieces at least.
    assert!(
        took_beside(1 << 20).await >= Duration::from_millis(16 + 32),
        "another delta waits, and the open one is small"
    );
    assert_eq!(took_beside(DELTA_BYTES_MAX / 2).await, Duration::ZERO);
}

#[tokio::test]
async fn what_is_purged_leaves_a_delta_to_entries() {
    let mut store = store().await;
    let reader = store.reader();
    let mut purged = 0;
    while reader.may_purge(256).await {
        reader.purge((purged..purged + 256).map(key));
        purged += 256;
        assert!(purged < 1 << 20, "nobody writes checkpoints, and rows are purged");
    }
    assert!(purged > 100_000, "{purged} rows are two deltas");
    assert!(!reader.is_behind());
    apply(&mut store, DELTA_BYTES_MAX / 2);
    assert!(!reader.is_behind(), "entries have a delta of their own");
}
