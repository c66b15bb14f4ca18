//! [`World`]: a memory log, and replicas of its objects.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use naxos_client::loglets::MemoryProvider;
use naxos_client::{Liveness, MemoryMetaStore, VirtualLog, VirtualLogConfig, VirtualLogParts};
use naxos_engines::LocalStore;
use naxos_engines::objects::{Objects, ObjectsApply, StackLog};
use naxos_engines::stack::{Stack, StackConfig};
use naxos_engines::view_tracking::HeldLog;
use naxos_proto::chain::LogletKind;
use naxos_proto::ids::{Boot, Incarnation, LogId, Lsn, StorageId};
use naxos_proto::seams::sim::Drive;
use naxos_proto::seams::{BootClock, Clock, OsEntropy};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What outlives a replica: the log.
#[derive(Clone)]
pub struct World {
    meta: Arc<MemoryMetaStore>,
    loglets: Arc<MemoryProvider>,
    clock: Arc<dyn Clock>,
}

/// A running replica.
pub struct Replica {
    pub objects: Objects,
    pub stack: Arc<Stack<ObjectsApply>>,
    pub log: Arc<VirtualLog>,
    pub stop: CancellationToken,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    pub fn new() -> Self {
        Self { meta: Arc::default(), loglets: Arc::default(), clock: Arc::new(BootClock) }
    }

    fn parts(&self, incarnation: Incarnation) -> VirtualLogParts {
        let takeover_after = Duration::from_millis(20);
        let sequencers = vec![incarnation];
        VirtualLogParts {
            config: VirtualLogConfig { log: LogId(7), kind: LogletKind::MEMORY, begin: Lsn::ZERO, takeover_after },
            meta: self.meta.clone(),
            providers: vec![self.loglets.clone()],
            alive: watch::Sender::new(Liveness { sequencers, units: Vec::new(), silent: Vec::new(), units_min: 0 })
                .subscribe(),
            clock: self.clock.clone(),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// Starts a replica on its disk. Replica 1 runs the log's sequencer, so it comes first.
    pub async fn start(&self, storage: u64, boot: u64, drive: &Drive) -> Replica {
        let incarnation = Incarnation { storage: StorageId(storage), boot: Boot(boot) };
        let parts = self.parts(incarnation);
        let log = if storage == 1 { VirtualLog::start(parts).await } else { VirtualLog::open(parts).await };
        let store = LocalStore::open(drive.mount(), self.clock.clone()).await.unwrap();
        let (apply, signal) = ObjectsApply::open(&store.reader()).unwrap();
        let checkpointer = store.checkpointer(0);
        let held = HeldLog {
            bytes: Arc::new(|| 0),
            bytes_max: u64::MAX,
            servers_min: Arc::new(AtomicUsize::new(1)),
            sealed_below: Arc::new(|| Lsn::ZERO),
        };
        let (log, clock) = (log.unwrap(), self.clock.clone());
        let stack =
            Stack::new(StackConfig { log: log.clone(), log_id: LogId(7), incarnation, clock, held }, store, apply);
        let serving = StackLog::new(stack.clone());
        let objects = Objects::new(serving.clone(), signal);
        let stop = CancellationToken::new();
        let (applied, tended) = (stack.clone(), stack.clone());
        let (a, b, c, d) = (stop.clone(), stop.clone(), stop.clone(), stop.clone());
        tokio::spawn(async move { applied.run(a).await });
        tokio::spawn(async move { tended.tend(b).await });
        tokio::spawn(async move { checkpointer.run(c, |_| {}).await.unwrap() });
        tokio::spawn(async move { serving.serve(d).await });
        stack.start().await.unwrap();
        Replica { objects, stack, log, stop }
    }

    /// A world with one replica.
    pub async fn alone(seed: u64) -> Replica {
        Self::new().start(1, 1, &Drive::new(seed)).await
    }
}
