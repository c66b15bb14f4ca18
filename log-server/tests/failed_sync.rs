//! Syncs that fail as they do on Linux: the next process reads the unsynced bytes from the page cache, and no later
//! sync writes them to the device. Whatever a start relies on must survive the next power cut.

mod support;

use naxos_log_server::Unit;
use naxos_proto::contracts::{CellOutcome, CellState, StorageUnit, UnitError};
use naxos_proto::ids::Offset;
use naxos_proto::seams::sim::{Drive, Fault};
use support::{id, open, params, payload, request, simulate, store};

/// Number of stores: enough to fill more than two segments.
const STORES: u64 = 24;
const CELL_BYTES: usize = 5_000;

fn fail_sync(drive: &Drive, from: u64) {
    drive.set_fault(Fault::Sync { path: "journal/".to_owned(), from });
}

async fn store_cell(unit: &Unit, at: u64) -> Result<Vec<CellOutcome>, UnitError> {
    store(unit, request(id(1), at, &[payload(at, CELL_BYTES)], at)).await
}

/// Checks that every cell up to the tail is there. Returns the tail.
async fn check(unit: &Unit, context: &str) -> u64 {
    let tail = unit.tail(id(1)).await.unwrap_or_else(|e| panic!("{context}: {e}")).tail;
    for at in 0..tail.0 {
        let read = unit.read(id(1), Offset(at)..Offset(at + 1), usize::MAX).await.unwrap();
        assert_eq!(read, [CellState::Present(payload(at, CELL_BYTES))], "{context}: cell {at} of {tail}");
    }
    tail.0
}

/// Runs a process whose `k`-th sync in the journal fails while it works. Returns how many stores it
/// acknowledged.
async fn fail_at_work(drive: &Drive, k: u64) -> u64 {
    let server = open(drive).await.unwrap();
    server.unit().open(id(1), params()).await.unwrap();
    fail_sync(drive, k);
    let mut acked = 0;
    while acked < STORES && store_cell(server.unit(), acked).await.is_ok() {
        acked += 1;
    }
    server.shutdown().await.unwrap();
    acked
}

#[test]
fn what_is_appended_behind_a_batch_of_a_failed_sync_survives_a_power_cut() {
    let mut failed_at = std::collections::BTreeSet::new();
    for (k, start_k, seed) in (1..30).flat_map(|k| (0..4).flat_map(move |s| (0..4).map(move |n| (k, s, n)))) {
        let context = format!("sync {k} failed, sync {start_k} of the next start, seed {seed}");
        let drive = Drive::new(seed);
        let acked = simulate(fail_at_work(&drive, k));
        failed_at.insert(acked);
        drive.clear_faults();
        if start_k > 0 {
            fail_sync(&drive, start_k);
            simulate(async { open(&drive).await.map(drop) }).ok();
            drive.clear_faults();
        }
        let tail = simulate(async {
            let server = open(&drive).await.unwrap_or_else(|e| panic!("{context}: {e}"));
            let found = check(server.unit(), &context).await;
            assert!(found >= acked, "{context}: {found} of {acked} are left");
            for at in found..found + 3 {
                store_cell(server.unit(), at).await.unwrap();
            }
            drive.crash();
            found + 3
        });
        simulate(async {
            let server = open(&drive).await.unwrap_or_else(|e| panic!("{context}: after the power cut: {e}"));
            assert_eq!(check(server.unit(), &context).await, tail, "{context}");
            server.shutdown().await.unwrap();
        });
    }
    assert!(failed_at.len() > 15, "stores acknowledged before the failure: {failed_at:?}");
}
