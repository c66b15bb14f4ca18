//! Syncs of the local store's file that fail as on Linux: the kernel still returns the unsynced bytes to readers, but
//! no later sync writes them to the device. So the next process may find a cursor that is not durable. That next
//! process lets the log be trimmed up to the cursor, so a later power cut must neither undo the cursor nor damage the
//! file.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_engines::local_store::StoreError;
use naxos_engines::{LocalStore, RowKey, StoreReader, TableId};
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{Drive, Fault, SimClock};
use tokio_util::sync::CancellationToken;

const ROWS: u64 = 300;
/// Number of entries, each with a checkpoint. An entry writes every third row, so pages are freed and used again.
const ENTRIES: u64 = 6;

/// Runs `body`. `None` if it hangs, because calls of a crashed disk never return.
fn run<T>(body: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = SimClock::new(Duration::ZERO);
        tokio::select! {
            biased;
            done = body => Some(done),
            () = clock.sleep(Duration::from_secs(100)) => None,
        }
    })
}

async fn open(drive: &Drive) -> Result<LocalStore, StoreError> {
    LocalStore::open(drive.mount(), Arc::new(SimClock::new(Duration::ZERO))).await
}

fn key(row: u64) -> RowKey {
    RowKey::new(StoreId(0), TableId(40), &row.to_be_bytes())
}

fn value(row: u64, entry: u64) -> Bytes {
    (0..200).map(|i| (row * 31 + entry * 7 + i * i) as u8).collect::<Vec<_>>().into()
}

/// Applies `count` entries, with a checkpoint after each.
async fn apply(store: &mut LocalStore, count: u64) -> Result<(), StoreError> {
    for _ in 0..count {
        let entry = store.applied().0;
        let mut txn = store.begin();
        (0..ROWS).filter(|row| row % 3 == entry % 3).for_each(|row| txn.put(key(row), value(row, entry)));
        txn.commit(Lsn(entry + 1));
        let stopped = CancellationToken::new();
        stopped.cancel();
        store.checkpointer(0).run(stopped, |_| ()).await?;
    }
    Ok(())
}

fn check(reader: &StoreReader, context: &str) {
    for row in 0..ROWS {
        let written = (0..reader.applied().0).rfind(|entry| row % 3 == entry % 3).map(|entry| value(row, entry));
        assert_eq!(reader.get(&key(row)), written, "{context}: row {row} at {}", reader.applied());
    }
}

#[test]
fn a_cursor_that_was_read_after_a_failed_sync_survives_a_power_cut() {
    let (mut believed, mut frozen) = (BTreeSet::new(), 0);
    for (k, cut, seed) in (1..6).flat_map(|k| (0..8).flat_map(move |cut| (0..6).map(move |seed| (k, cut, seed)))) {
        let context = format!("sync {k} failed, power cut at sync {cut} after the start, seed {seed}");
        let drive = Drive::new(seed);
        run(async {
            let mut store = open(&drive).await.unwrap();
            apply(&mut store, ENTRIES).await.unwrap();
            drive.set_fault(Fault::Sync { path: "store.redb".to_owned(), from: k });
            // If `k` is high, the first sync that fails is the one that closes the file.
            apply(&mut store, 2).await.ok();
        });
        drive.clear_faults();
        let found = run(async {
            let mut store = open(&drive).await.unwrap_or_else(|e| panic!("{context}: {e}"));
            check(&store.reader(), &context);
            let found = store.applied();
            drive.freeze_at_sync(1 + cut);
            let worked = apply(&mut store, 3);
            tokio::select! {
                biased;
                _ = worked => {}
                () = SimClock::new(Duration::ZERO).sleep(Duration::from_secs(10)) => frozen += 1,
            }
            found
        });
        let found = found.unwrap();
        believed.insert(found.0);
        drive.crash();
        let cursor = run(async {
            let store = open(&drive).await.unwrap_or_else(|e| panic!("{context}: after the power cut: {e}"));
            check(&store.reader(), &context);
            store.applied()
        });
        assert!(cursor.unwrap() >= found, "{context}: the cursor fell from {found} to {cursor:?}");
    }
    assert_eq!(believed, BTreeSet::from([ENTRIES, ENTRIES + 1, ENTRIES + 2]), "what the failures left to read");
    assert!(frozen > 100, "power was cut {frozen} times at work");
}
