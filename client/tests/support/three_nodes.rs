//! Three nodes, each with its own storage unit, and a sequencer on the first. These messages between two nodes take
//! [`HOP`]: an append, its grant, its outcome, a call to a unit, its answer, and a tail that a unit tells. A sync takes
//! [`SYNC`].

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use naxos_client::loglets::NativeProvider;
use naxos_client::{Liveness, MemoryMetaStore, VirtualLog, VirtualLogConfig, VirtualLogParts};
use naxos_log_server::LogServer;
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    AppendError, Cell, OnGrant, Refusal, Sequencer, SequencerDirectory, StorageUnit, UnitDirectory,
};
use naxos_proto::ids::{Boot, Incarnation, LogId, LogletId, Lsn, Offset, StorageId};
use naxos_proto::seams::sim::{Drive, Latency, SeededEntropy, SimClock, TaskWorker, UnreliableUnit, Weather};
use naxos_proto::seams::{Clock, Worker};
use naxos_proto::tail::Tail;
use naxos_sequencer::LocalSequencer;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::server::server;

pub(crate) const HOP: Duration = Duration::from_millis(10);
pub(crate) const SYNC: Duration = Duration::from_millis(5);

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SimClock::new(Duration::ZERO))
}

pub(crate) type Done = Completion<Result<Offset, AppendError>>;

/// The sequencer as the other nodes see it.
struct FarSequencer {
    sequencer: Arc<LocalSequencer>,
    /// While this is false, appends do not arrive, and their callers get no answer.
    hears: Arc<AtomicBool>,
    /// While this is unset, callers hear the grants, but no outcomes.
    answers: Arc<AtomicBool>,
    unanswered: Arc<Mutex<Vec<Done>>>,
}

fn later(what: impl FnOnce() + Send + 'static) {
    let body = async move {
        clock().sleep(HOP).await;
        what();
    };
    TaskWorker.start_task("later", CancellationToken::new(), Box::pin(body));
}

impl Sequencer for FarSequencer {
    fn incarnation(&self) -> Incarnation {
        self.sequencer.incarnation()
    }

    fn serve<'a>(&'a self, loglet: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), Refusal>> {
        self.sequencer.serve(loglet, start)
    }

    fn append(&self, loglet: LogletId, by: Incarnation, batch: Vec<Cell>, granted: Option<OnGrant>, done: Done) {
        if !self.hears.load(Ordering::Relaxed) {
            return self.unanswered.lock().push(done);
        }
        let (sequencer, answers, unanswered) =
            (Arc::clone(&self.sequencer), Arc::clone(&self.answers), Arc::clone(&self.unanswered));
        later(move || {
            let granted = granted.map(|granted| -> OnGrant { Box::new(move |at| later(move || granted(at))) });
            let done = Completion::new(move |outcome| match answers.load(Ordering::Relaxed) {
                true => later(move || done.complete(outcome)),
                false => unanswered.lock().push(done),
            });
            sequencer.append(loglet, by, batch, granted, done);
        });
    }

    fn grant(&self, loglet: LogletId, by: Incarnation, count: u32) -> BoxFuture<'_, Result<Offset, AppendError>> {
        self.sequencer.grant(loglet, by, count)
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>> {
        self.sequencer.tail(loglet)
    }
}

/// What one node reaches.
pub(crate) struct Reach {
    pub(crate) units: Vec<Arc<dyn StorageUnit>>,
    pub(crate) sequencer: OnceLock<Arc<dyn Sequencer>>,
}

impl UnitDirectory for Reach {
    fn unit(&self, storage: StorageId) -> Option<Arc<dyn StorageUnit>> {
        self.units.iter().find(|u| u.storage_id() == storage).cloned()
    }
}

impl SequencerDirectory for Reach {
    fn sequencer(&self, incarnation: Incarnation) -> Option<Arc<dyn Sequencer>> {
        self.sequencer.get().filter(|s| s.incarnation() == incarnation).cloned()
    }
}

pub(crate) struct World {
    pub(crate) servers: Vec<LogServer>,
    /// The disks, in the order of the servers.
    pub(crate) drives: Vec<Drive>,
    pub(crate) reach: Vec<Arc<Reach>>,
    pub(crate) alive: Liveness,
    pub(crate) meta: Arc<MemoryMetaStore>,
    pub(crate) hears: Arc<AtomicBool>,
    pub(crate) answers: Arc<AtomicBool>,
    pub(crate) unanswered: Arc<Mutex<Vec<Done>>>,
    pub(crate) stop: CancellationToken,
}

impl World {
    pub(crate) async fn new() -> World {
        let mut hosts = Vec::new();
        for seed in 1..=3 {
            let drive = Drive::new(seed);
            drive.set_latency(Latency { sync: SYNC, ..Latency::default() });
            hosts.push((server(seed, &drive, 64 << 10).await, drive));
        }
        hosts.sort_by_key(|(server, _)| server.storage_id());
        let (servers, drives): (Vec<_>, Vec<_>) = hosts.into_iter().unzip();
        let far = Weather { delay_min: HOP, delay_max: HOP, ..Weather::default() };
        let seen = |node: usize, unit: usize| -> Arc<dyn StorageUnit> {
            let own = Arc::clone(servers[unit].unit());
            if node == unit {
                return own;
            }
            let network = UnreliableUnit::new(own, clock(), 1);
            network.set_weather(far);
            Arc::new(network)
        };
        let reach = |node| {
            let units = (0..3).map(|unit| seen(node, unit)).collect();
            Arc::new(Reach { units, sequencer: OnceLock::new() })
        };
        let reach: Vec<_> = (0..3).map(reach).collect();
        let incarnation = Incarnation { storage: servers[0].storage_id(), boot: Boot(2) };
        let sequencer = Arc::new(LocalSequencer::new(incarnation, reach[0].clone(), clock()));
        let stop = CancellationToken::new();
        tokio::task::spawn_local({
            let (sequencer, stop) = (Arc::clone(&sequencer), stop.clone());
            async move { sequencer.tend(stop).await }
        });
        let (hears, answers) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
        let unanswered = Arc::default();
        for (node, reach) in reach.iter().enumerate() {
            let far = FarSequencer {
                sequencer: Arc::clone(&sequencer),
                hears: Arc::clone(&hears),
                answers: Arc::clone(&answers),
                unanswered: Arc::clone(&unanswered),
            };
            let seen: Arc<dyn Sequencer> = if node == 0 { sequencer.clone() } else { Arc::new(far) };
            assert!(reach.sequencer.set(seen).is_ok());
        }
        let storages = servers.iter().map(LogServer::storage_id).collect();
        let alive = Liveness { sequencers: vec![incarnation], units: storages, silent: vec![], units_min: 2 };
        World { servers, drives, reach, alive, meta: Arc::default(), hears, answers, unanswered, stop }
    }

    pub(crate) fn provider(&self, node: usize) -> NativeProvider {
        NativeProvider::new(self.reach[node].clone(), self.reach[node].clone(), clock())
    }

    /// The log as `node` sees it. The first node founds it.
    pub(crate) async fn log(&self, node: usize) -> Arc<VirtualLog> {
        let config =
            VirtualLogConfig { log: LogId(7), kind: LogletKind::NATIVE, begin: Lsn::ZERO, takeover_after: HOP * 20 };
        let parts = VirtualLogParts {
            config,
            meta: self.meta.clone(),
            providers: vec![Arc::new(self.provider(node))],
            alive: watch::Sender::new(self.alive.clone()).subscribe(),
            clock: clock(),
            entropy: Arc::new(SeededEntropy::new(9)),
        };
        if node == 0 { VirtualLog::start(parts).await.unwrap() } else { VirtualLog::open(parts).await.unwrap() }
    }

    /// The log as `node` sees it, which follows the tails of the units.
    pub(crate) async fn listening(&self, node: usize) -> Arc<VirtualLog> {
        let log = self.log(node).await;
        let (listens, stop) = (Arc::clone(&log), self.stop.clone());
        tokio::task::spawn_local(async move { stop.run_until_cancelled(listens.listen()).await });
        // The first tails of all units arrive.
        clock().sleep(HOP * 10).await;
        log
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for server in self.servers {
            server.shutdown().await.unwrap();
        }
    }
}
