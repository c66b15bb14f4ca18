//! Measures the log alone, on three storage units of this machine: appends per second and latencies with 1, 64 and 256
//! writers, cells of 100 bytes and of 4 KiB, native and Corfu loglets. Also measures how many offsets per second a
//! sequencer gives out when nothing is appended, and a replicated counter on three nodes, beside the same on openraft. Prints
//! a table in Markdown.

mod measured;
mod openraft_counter;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use naxos::{Applicator, Naxos, Refused, Rows};
use naxos_benches::pace;
use naxos_benches::servers::etcd_build::target_folder;
use naxos_benches::servers::ports::free_ports;
use naxos_client::loglets::{CorfuProvider, NativeProvider};
use naxos_client::{
    Liveness, LogletProvider, MemoryMetaStore, SharedLog, VirtualLog, VirtualLogConfig, VirtualLogParts,
};
use naxos_log_server::disk::RealDisk;
use naxos_log_server::{LogServer, LogServerConfig};
use naxos_proto::chain::LogletKind;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell, Sequencer, SequencerDirectory, StorageUnit, UnitDirectory};
use naxos_proto::ids::{Incarnation, LogId, Lsn, StorageId};
use naxos_proto::seams::{BootClock, OsEntropy, Seams, SocketNet, ThreadWorker, start};
use naxos_sequencer::LocalSequencer;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::measured::{Measured, WINDOW, measure};
use crate::openraft_counter::openraft_counter;

const UNITS: usize = 3;
/// Number of appends of a writer between two trims. Trimming lets the journals reuse their segments.
const TRIM_EVERY: u64 = 2_000;

#[derive(Clone)]
struct Units(Vec<Arc<dyn StorageUnit>>);

impl UnitDirectory for Units {
    fn unit(&self, storage: StorageId) -> Option<Arc<dyn StorageUnit>> {
        self.0.iter().find(|unit| unit.storage_id() == storage).cloned()
    }
}

struct OneSequencer(Arc<LocalSequencer>);

impl SequencerDirectory for OneSequencer {
    fn sequencer(&self, incarnation: Incarnation) -> Option<Arc<dyn Sequencer>> {
        (self.0.incarnation() == incarnation).then(|| self.0.clone() as Arc<dyn Sequencer>)
    }
}

/// A log on three units, each in a folder of its own.
struct Rig {
    runtime: Runtime,
    servers: Vec<LogServer>,
    sequencer: Arc<LocalSequencer>,
    log: Arc<VirtualLog>,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Rig {
    fn new(parent: &Path, kind: LogletKind) -> Self {
        let folder = tempfile::Builder::new().prefix("bench-log-").tempdir_in(parent).expect("a folder");
        let runtime = pace::runtime().expect("a runtime");
        let mut servers = Vec::new();
        for number in 0..UNITS {
            let seams = Seams {
                clock: Arc::new(BootClock),
                entropy: Arc::new(OsEntropy),
                net: Arc::new(SocketNet),
                disk: Arc::new(RealDisk::new(folder.path().join(number.to_string())).expect("a data directory")),
                worker: Arc::new(ThreadWorker),
            };
            let opened = LogServer::open(seams, LogServerConfig::default(), CancellationToken::new());
            servers.push(runtime.block_on(opened).expect("a log server"));
        }
        let units = Units(servers.iter().map(|server| server.unit().clone() as Arc<dyn StorageUnit>).collect());
        let own = Incarnation { storage: servers[0].storage_id(), boot: servers[0].boot() };
        let mut storages: Vec<StorageId> = units.0.iter().map(|unit| unit.storage_id()).collect();
        storages.sort();
        let (clock, units) = (Arc::new(BootClock), Arc::new(units));
        let sequencer = Arc::new(LocalSequencer::new(own, units.clone(), clock.clone()));
        let sequencers = Arc::new(OneSequencer(sequencer.clone()));
        let corfu = Arc::new(CorfuProvider::new(sequencers.clone(), units.clone(), clock.clone()));
        let native = Arc::new(NativeProvider::new(sequencers, units, clock.clone()));
        let stop = CancellationToken::new();
        let (tended, written) = (sequencer.clone(), corfu.clone());
        drop(start(&ThreadWorker, "sequencer", stop.clone(), |stop| async move { tended.tend(stop).await }));
        drop(start(&ThreadWorker, "corfu", stop.clone(), |stop| async move { written.tend(stop).await }));
        let liveness = Liveness { sequencers: vec![own], units: storages, silent: vec![], units_min: 2 };
        let parts = VirtualLogParts {
            config: VirtualLogConfig {
                log: LogId(7),
                kind,
                begin: Lsn::ZERO,
                takeover_after: Duration::from_millis(200),
            },
            meta: Arc::new(MemoryMetaStore::default()),
            providers: vec![native as Arc<dyn LogletProvider>, corfu],
            alive: watch::Sender::new(liveness).subscribe(),
            clock,
            entropy: Arc::new(OsEntropy),
        };
        let log = runtime.block_on(VirtualLog::start(parts)).expect("a log");
        Self { runtime, servers, sequencer, log, stop, _folder: folder }
    }

    /// Appends with this many writers, each with one append in flight.
    fn appends(&self, writers: usize, bytes: usize) -> Measured {
        let payload = Bytes::from(vec![7; bytes]);
        self.runtime.block_on(measure(writers, async |_, count| {
            let (done, outcome) = Completion::channel();
            self.log.append(vec![Cell::new(payload.clone())], done);
            let at = outcome.await.expect("the log takes appends");
            // So few appends wait for a trim that the quantiles do not show it.
            if count.is_multiple_of(TRIM_EVERY) {
                self.log.trim(at).await.expect("the log is trimmed");
            }
        }))
    }

    /// Reserves offsets one after the other, without any cell.
    fn grants(&self) -> f64 {
        let (loglet, own) = (self.log.chain().1.active().params.id, self.sequencer.incarnation());
        let (begun, mut count) = (pace::now(), 0_u64);
        self.runtime.block_on(async {
            while begun.elapsed() < WINDOW {
                for _ in 0..1_000 {
                    self.sequencer.grant(loglet, own, 1).await.expect("an offset");
                }
                count += 1_000;
            }
        });
        count as f64 / begun.elapsed().as_secs_f64()
    }

    fn close(self) {
        let Self { runtime, servers, log, stop, .. } = self;
        drop(log);
        stop.cancel();
        for server in servers {
            runtime.block_on(server.shutdown()).expect("the log server stops");
        }
    }
}

/// A counter on three nodes.
struct Counter;

impl Applicator for Counter {
    fn apply(&self, rows: &mut Rows<'_>, _: &[u8]) -> Result<Vec<u8>, Refused> {
        let total = rows.get("total").map_or(Ok(0), |bytes| bytes[..].try_into().map(u64::from_le_bytes))? + 1;
        rows.put("total", total.to_le_bytes());
        Ok(total.to_le_bytes().to_vec())
    }
}

/// Adds to a counter, through all three nodes in turn.
fn counter(parent: &Path) {
    let folder = tempfile::Builder::new().prefix("bench-counter-").tempdir_in(parent).expect("a folder");
    let runtime = pace::runtime().expect("a runtime");
    let ports = free_ports(UNITS).expect("free ports");
    let urls: Vec<String> = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    let open = |own: usize| {
        let opening = Naxos::open(folder.path().join(own.to_string())).peers(own, urls.clone());
        opening.applicator(Counter).into_future()
    };
    let nodes: Vec<Naxos> =
        runtime.block_on(join_all((0..UNITS).map(open))).into_iter().map(|node| node.expect("a node")).collect();
    for writers in [1, 64, 256] {
        let add = async |number: usize, _| drop(nodes[number % UNITS].propose("add").await.expect("it is counted"));
        runtime.block_on(measure(writers, add)).print("replicated counter, three nodes", writers, 3);
    }
    for node in nodes {
        runtime.block_on(node.stop());
    }
}

fn main() {
    let folder = target_folder().expect("a bench lies in the target folder");
    Measured::print_head();
    for (kind, name) in [(LogletKind::NATIVE, "native"), (LogletKind::CORFU, "corfu")] {
        let rig = Rig::new(&folder, kind);
        for bytes in [100, 4_096] {
            for writers in [1, 64, 256] {
                rig.appends(writers, bytes).print(name, writers, bytes);
            }
        }
        if kind == LogletKind::CORFU {
            println!("| offsets of the sequencer alone | 1 | 0 | {:.0} | | |", rig.grants());
        }
        rig.close();
    }
    counter(&folder);
    openraft_counter(&folder);
}
