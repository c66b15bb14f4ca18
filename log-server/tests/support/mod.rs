//! Helpers: a log server on a simulated disk, in one thread and under paused time, or on a real disk.
#![expect(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_log_server::disk::RealDisk;
use naxos_log_server::{LogServer, LogServerConfig, OpenError, Unit};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell, CellOutcome, Purpose, Shape, StorageUnit, Store, UnitError, UnitParams};
use naxos_proto::ids::{Boot, Incarnation, LogId, LogletId, Offset, StorageId};
use naxos_proto::seams::sim::{Drive, SeededEntropy, SimClock, TaskWorker};
use naxos_proto::seams::{BootClock, OsEntropy, Seams, SocketNet, ThreadWorker};
use tokio_util::sync::CancellationToken;

/// The sequencer that owns all loglets of these tests.
pub const OWNER: Incarnation = Incarnation { storage: StorageId(5), boot: Boot(1) };

/// Runs `body` to its end in a new runtime with paused time. Tasks that it left running are dropped.
pub fn simulate<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, body)
}

/// As [`simulate`], but `None` if `body` hangs, as it does on a crashed disk.
pub fn simulate_until_frozen<T>(body: impl Future<Output = T>) -> Option<T> {
    simulate_for(Duration::from_secs(100), body)
}

/// As [`simulate`], but `body` is killed after `lifetime`; then the result is `None`.
pub fn simulate_for<T>(lifetime: Duration, body: impl Future<Output = T>) -> Option<T> {
    simulate(async {
        let clock = SimClock::new(Duration::ZERO);
        tokio::select! {
            biased;
            done = body => Some(done),
            () = naxos_proto::seams::Clock::sleep(&clock, lifetime) => None,
        }
    })
}

/// The seams of one simulated host whose disk is `drive`.
pub fn sim_seams(drive: &Drive, seed: u64) -> Seams {
    Seams {
        clock: Arc::new(SimClock::new(Duration::from_secs(1_700_000_000))),
        entropy: Arc::new(SeededEntropy::new(seed)),
        net: Arc::new(SocketNet),
        disk: drive.mount(),
        worker: Arc::new(TaskWorker),
    }
}

/// The real seams, on a directory of the real disk.
pub fn real_seams(root: &std::path::Path) -> Seams {
    Seams {
        clock: Arc::new(BootClock),
        entropy: Arc::new(OsEntropy),
        net: Arc::new(SocketNet),
        disk: Arc::new(RealDisk::new(root).unwrap()),
        worker: Arc::new(ThreadWorker),
    }
}

/// Small segments and caches, so that a little work reaches every path of the code.
pub fn small() -> LogServerConfig {
    LogServerConfig {
        segment_bytes: 64 << 10,
        cache_bytes_max: 4 << 10,
        reserve_bytes: 0,
        log: Some(LogId(9)),
        ..LogServerConfig::default()
    }
}

/// Opens the data directory on `drive`.
pub async fn open(drive: &Drive) -> Result<LogServer, OpenError> {
    LogServer::open(sim_seams(drive, 1), small(), CancellationToken::new()).await
}

/// A loglet id with this ordinal.
pub fn id(ordinal: u64) -> LogletId {
    LogletId { log: LogId(9), ordinal, nonce: ordinal }
}

/// The parameters of a contiguous loglet that belongs to [`OWNER`].
pub fn params() -> UnitParams {
    UnitParams { shape: Shape::Contiguous, incarnation: OWNER }
}

/// A store of consecutive cells from `at` on, one for each payload.
pub fn request(loglet: LogletId, at: u64, payloads: &[Bytes], known_tail: u64) -> Store {
    let cell = |payload: &Bytes| Cell::new(payload.clone());
    let cells = payloads.iter().map(cell).collect();
    let purpose = Purpose::Append { known_tail: Offset(known_tail) };
    Store { loglet, incarnation: OWNER, at: Offset(at), cells, purpose }
}

/// Stores and waits for the outcome of each cell.
pub async fn store(unit: &Unit, store: Store) -> Result<Vec<CellOutcome>, UnitError> {
    let (done, outcome) = Completion::channel();
    unit.store(store, done);
    outcome.await.map(|stored| stored.cells)
}

/// `len` bytes that depend on `n`. If `len` is at least two, any 512 consecutive values of `n` give different bytes.
pub fn payload(n: u64, len: usize) -> Bytes {
    (0..len as u64).map(|i| (n.wrapping_mul(131).wrapping_add(i * 7) >> 1) as u8).collect::<Vec<_>>().into()
}
