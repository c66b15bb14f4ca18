//! Storage units and a sequencer in one process, on simulated disks.

#![expect(unreachable_pub, reason = "the module is part of each test binary")]

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use naxos_client::loglets::{CorfuProvider, NativeProvider};
use naxos_client::{Liveness, MemoryMetaStore, VirtualLogConfig, VirtualLogParts};
use naxos_log_server::LogServer;
use naxos_proto::chain::LogletKind;
use naxos_proto::contracts::{Sequencer, SequencerDirectory, StorageUnit, UnitDirectory};
use naxos_proto::ids::{Boot, Incarnation, LogId, Lsn, StorageId};
use naxos_proto::seams::sim::{Drive, Latency, SeededEntropy, SimClock};
use naxos_sequencer::LocalSequencer;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use server::server;
pub use server::simulate;

/// Small segments, so that even a short test recycles some.
const SEGMENT_BYTES: u64 = 64 << 10;

/// Storage units, and whether they are away. While they are away they cannot be found.
#[derive(Clone)]
pub struct Units {
    pub all: Vec<Arc<dyn StorageUnit>>,
    pub are_away: Arc<AtomicBool>,
}

impl UnitDirectory for Units {
    fn unit(&self, storage: StorageId) -> Option<Arc<dyn StorageUnit>> {
        let away = self.are_away.load(Ordering::Relaxed);
        self.all.iter().find(|u| u.storage_id() == storage && !away).cloned()
    }
}

struct OneSequencer(Arc<dyn Sequencer>);

impl SequencerDirectory for OneSequencer {
    fn sequencer(&self, incarnation: Incarnation) -> Option<Arc<dyn Sequencer>> {
        (self.0.incarnation() == incarnation).then(|| self.0.clone())
    }
}

fn corfu_process(
    sequencers: &Arc<dyn SequencerDirectory>,
    units: &Units,
    stop: &CancellationToken,
) -> Arc<CorfuProvider> {
    let clock = Arc::new(SimClock::new(Duration::ZERO));
    let corfu = Arc::new(CorfuProvider::new(Arc::clone(sequencers), Arc::new(units.clone()), clock));
    tokio::task::spawn_local({
        let (corfu, stop) = (Arc::clone(&corfu), stop.clone());
        async move { corfu.tend(stop).await }
    });
    corfu
}

/// Units and their sequencer, in one process.
pub struct Rig {
    servers: Vec<LogServer>,
    /// The disks of the units.
    pub drives: Vec<Drive>,
    pub units: Units,
    pub provider: Arc<NativeProvider>,
    pub corfu: Arc<CorfuProvider>,
    /// Finds the sequencer.
    pub sequencers: Arc<dyn SequencerDirectory>,
    pub alive: Liveness,
    /// Stops the background work of the sequencer and of `corfu`.
    stop: CancellationToken,
}

impl Rig {
    /// `count` units, and a sequencer that stores on all of them. `network` may put a wrapper around a unit. Then
    /// all callers reach the unit through this wrapper. `towards` may put one around the sequencer.
    pub async fn over(
        count: u64,
        network: impl Fn(Arc<dyn StorageUnit>) -> Arc<dyn StorageUnit>,
        towards: impl Fn(Arc<dyn Sequencer>) -> Arc<dyn Sequencer>,
    ) -> Rig {
        Self::with_segments(count, SEGMENT_BYTES, network, towards).await
    }

    /// As [`Self::over`], with segments of this many bytes.
    pub async fn with_segments(
        count: u64,
        segment_bytes: u64,
        network: impl Fn(Arc<dyn StorageUnit>) -> Arc<dyn StorageUnit>,
        towards: impl Fn(Arc<dyn Sequencer>) -> Arc<dyn Sequencer>,
    ) -> Rig {
        let mut servers = Vec::new();
        let drives: Vec<Drive> = (1..=count).map(Drive::new).collect();
        for (seed, drive) in (1..).zip(&drives) {
            servers.push(server(seed, drive, segment_bytes).await);
        }
        let all = servers.iter().map(|s| network(s.unit().clone())).collect();
        let units = Units { all, are_away: Arc::default() };
        let incarnation = Incarnation { storage: StorageId(5), boot: Boot(2) };
        let clock = Arc::new(SimClock::new(Duration::ZERO));
        let sequencer = Arc::new(LocalSequencer::new(incarnation, Arc::new(units.clone()), clock.clone()));
        let stop = CancellationToken::new();
        tokio::task::spawn_local({
            let (sequencer, stop) = (Arc::clone(&sequencer), stop.clone());
            async move { sequencer.tend(stop).await }
        });
        let towards: Arc<dyn SequencerDirectory> = Arc::new(OneSequencer(towards(sequencer)));
        let provider = NativeProvider::new(towards.clone(), Arc::new(units.clone()), clock);
        let corfu = corfu_process(&towards, &units, &stop);
        let mut storages: Vec<StorageId> = units.all.iter().map(|u| u.storage_id()).collect();
        storages.sort();
        let alive = Liveness { sequencers: vec![incarnation], units: storages, silent: vec![], units_min: 1 };
        Rig { servers, drives, units, provider: Arc::new(provider), corfu, sequencers: towards, alive, stop }
    }

    /// The Corfu loglets of another process, until `stop`.
    pub fn other_process(&self, stop: &CancellationToken) -> Arc<CorfuProvider> {
        corfu_process(&self.sequencers, &self.units, stop)
    }

    /// The parts of a log on these units, with a MetaStore of its own.
    pub fn parts(&self) -> VirtualLogParts {
        let takeover_after = Duration::from_millis(20);
        VirtualLogParts {
            config: VirtualLogConfig { log: LogId(7), kind: LogletKind::NATIVE, begin: Lsn::ZERO, takeover_after },
            meta: Arc::new(MemoryMetaStore::default()),
            providers: vec![self.provider.clone(), self.corfu.clone()],
            alive: watch::Sender::new(self.alive.clone()).subscribe(),
            clock: Arc::new(SimClock::new(Duration::ZERO)),
            entropy: Arc::new(SeededEntropy::new(9)),
        }
    }

    pub async fn stop(self) {
        // A disk that hangs would hold up the end.
        self.drives.iter().for_each(|drive| drive.set_latency(Latency::default()));
        self.stop.cancel();
        for server in self.servers {
            server.shutdown().await.unwrap();
        }
    }
}
