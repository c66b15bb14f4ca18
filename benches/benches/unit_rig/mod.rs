//! A storage unit with one open loglet, in a folder that the benchmark chooses.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_benches::pace;
use naxos_log_server::disk::RealDisk;
use naxos_log_server::{LogServer, LogServerConfig, Unit};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell, CellOutcome, Purpose, Shape, StorageUnit, Store, Stored, UnitError, UnitParams};
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use naxos_proto::seams::{BootClock, OsEntropy, Seams, SocketNet, ThreadWorker};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Size of a cell in bytes: a put of 256 bytes with its envelope.
const CELL_BYTES: usize = 320;

/// Number of cells between two trims. Trimming lets the journal reuse its segments, so that the disk does not fill.
const TRIM_EVERY: u64 = 20_000;

/// A future that gives the outcome of a request to store cells.
type Outcome = Pin<Box<dyn Future<Output = Result<Stored, UnitError>>>>;

/// A storage unit with one open loglet.
pub(crate) struct Rig {
    runtime: Runtime,
    unit: Arc<Unit>,
    server: LogServer,
    loglet: LogletId,
    incarnation: Incarnation,
    payload: Bytes,
    next: u64,
    trimmed: u64,
    _folder: TempDir,
}

impl Rig {
    /// A unit in a new folder below `parent`.
    pub(crate) fn new(parent: &Path, config: LogServerConfig) -> Self {
        let folder = tempfile::Builder::new().prefix("bench-unit-").tempdir_in(parent).expect("a folder");
        let seams = Seams {
            clock: Arc::new(BootClock),
            entropy: Arc::new(OsEntropy),
            net: Arc::new(SocketNet),
            disk: Arc::new(RealDisk::new(folder.path().join("data")).expect("a data directory")),
            worker: Arc::new(ThreadWorker),
        };
        let runtime = pace::runtime().expect("a runtime");
        let server = runtime.block_on(LogServer::open(seams, config, CancellationToken::new())).expect("a log server");
        let unit = Arc::clone(server.unit());
        let incarnation = Incarnation { storage: server.storage_id(), boot: server.boot() };
        let loglet = LogletId { log: server.log(), ordinal: 1, nonce: 1 };
        runtime
            .block_on(unit.open(loglet, UnitParams { shape: Shape::Contiguous, incarnation }))
            .expect("an open loglet");
        let payload = Bytes::from(vec![7; CELL_BYTES]);
        Self { runtime, unit, server, loglet, incarnation, payload, next: 0, trimmed: 0, _folder: folder }
    }

    /// The time that `rounds` rounds take. The time of the trims between them is not counted. Each round has
    /// `stores` requests in flight at once, and each request stores `cells` cells.
    pub(crate) fn time(&mut self, rounds: u64, stores: u64, cells: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..rounds {
            let begun = pace::now();
            let waiting: Vec<_> = (0..stores).map(|_| self.enqueue(cells)).collect();
            self.runtime.block_on(async {
                for outcome in waiting {
                    let stored = outcome.await.expect("the store is taken");
                    assert!(stored.cells.iter().all(|cell| *cell == CellOutcome::Written), "{stored:?}");
                }
            });
            spent += begun.elapsed();
            self.trim();
        }
        spent
    }

    fn enqueue(&mut self, cells: u64) -> Outcome {
        let (done, outcome) = Completion::channel();
        let at = Offset(self.next);
        self.next += cells;
        let cells = (0..cells).map(|_| Cell::new(self.payload.clone())).collect();
        let (loglet, incarnation) = (self.loglet, self.incarnation);
        let purpose = Purpose::Append { known_tail: at };
        self.unit.store(Store { loglet, incarnation, at, cells, purpose }, done);
        Box::pin(outcome)
    }

    fn trim(&mut self) {
        if self.next - self.trimmed >= TRIM_EVERY {
            self.trimmed = self.next;
            self.unit.advance(self.loglet, Offset(self.next));
            self.runtime.block_on(self.unit.trim(self.loglet, Offset(self.next))).expect("the loglet is trimmed");
        }
    }

    /// Stops the unit.
    pub(crate) fn close(self) {
        let Self { runtime, unit, server, .. } = self;
        drop(unit);
        runtime.block_on(server.shutdown()).expect("the log server stops");
    }
}
