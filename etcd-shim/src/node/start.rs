//! Starts a node, part by part: ports bound, storage unit, register, log, store, stack, then services.

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use naxos_client::loglets::{MemoryProvider, NativeProvider};
use naxos_client::{Liveness, VirtualLog, VirtualLogConfig, VirtualLogParts};
use naxos_engines::local_store::{CheckpointStats, Checkpointer, Defragmenter};
use naxos_engines::stack::{Stack, StackConfig};
use naxos_engines::{LocalStore, StoreReader};
use naxos_log_server::meta::{MetaConfig, MetaReplica, NoPeers};
use naxos_log_server::{FoundJournal, LogServer, LogServerConfig, OpenError, Unit};
use naxos_proto::chain::LogletKind;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::ids::{Incarnation, LogId, MemberId};
use naxos_proto::seams::{Seams, Tasks, WorkerHandle, start};
use naxos_sequencer::NativeSequencer;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Node;
use super::open_store::open_store;
use super::peers::Peers;
use super::serve::serve;
use super::start_error::StartError;
use super::stops::Stops;
use super::{gauges, ids, upkeep};
use crate::backend::{Backend, Deadlines, LeaseKeeper, NodeListener, PendingRequests};
use crate::config::{ClusterState, ServerConfig};
use crate::metrics::Metrics;
use crate::port::{BoundPort, PortConfig};
use crate::state::cold_reader::{ColdReader, ColdReads};
use crate::state::janitor::Janitor;
use crate::state::{Command, Machine, SharedStore};
use crate::watch::Ring;

/// A seal without a successor is followed up after this long.
const TAKEOVER_AFTER: Duration = Duration::from_millis(200);

type NodeStack = Stack<Machine<NodeListener>>;

impl Node {
    /// Starts a node and returns when it serves.
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start(config: ServerConfig, seams: Seams) -> Result<Node, StartError> {
        let runtimes = std::thread::available_parallelism().map_or(1, usize::from);
        Self::start_with(config, seams, runtimes, LogServerConfig::default()).await
    }

    /// As [`Node::start`], with the number of RPC runtimes and the storage unit's settings given.
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start_with(
        config: ServerConfig,
        seams: Seams,
        runtimes: usize,
        unit: LogServerConfig,
    ) -> Result<Node, StartError> {
        let stops = Stops::new();
        tokio::select! {
            biased;
            started = Self::bring_up(config, seams, runtimes, unit, stops.clone()) => started,
            () = stops.failed() => Err(StartError::Lost),
        }
    }

    async fn bring_up(
        config: ServerConfig,
        seams: Seams,
        runtimes: usize,
        unit: LogServerConfig,
        stops: Stops,
    ) -> Result<Node, StartError> {
        refuse_to_begin(&config, &seams).await?;
        let port_config = PortConfig::from_server(&config, runtimes)?;
        let bound = BoundPort::bind(seams.clone(), port_config, stops.serving.clone()).await?;
        let metrics = Arc::new(Metrics::new(config.metrics, runtimes, &config.feature_gates, seams.clock.wall().0));
        metrics.set_cluster_version("3.6");

        let wanted = LogId(ids::cluster_id(&config.cluster.members, &config.cluster.token));
        let seat = MemberId(ids::member_id(&config.advertise_peer_urls, &config.cluster.token));
        let reserve_bytes = unit.reserve_bytes;
        let unit = LogServerConfig { log: Some(wanted), member: Some(seat), ..unit };
        let found = find_journal(&seams, unit, &metrics).await?;
        let (log_id, member) = (found.log(), found.member());
        if log_id != wanted {
            tracing::info!(
                "cluster-id" = %log_id,
                "the data directory holds a cluster already: --initial-cluster, --initial-cluster-token and \
                 --initial-advertise-peer-urls are those that it was begun with"
            );
        }
        let (local_store, store) = open_store(&seams, &found, config.limits.resident_bytes).await?;
        let (log_server, meta, log) = open_log(&seams, found, log_id, &stops).await?;
        let incarnation = Incarnation { storage: log_server.storage_id(), boot: log_server.boot() };

        let parts = Parts { config, seams, runtimes, stops, metrics, log_id, member, incarnation, reserve_bytes };
        parts.start(bound, (local_store, store), log_server, meta, log).await
    }
}

/// Flags that do not describe a cluster that can be begun end the start where there is none yet; so does one that is to be
/// joined, which must not be begun instead.
async fn refuse_to_begin(config: &ServerConfig, seams: &Seams) -> Result<(), StartError> {
    let begun = match seams.disk.list("").await {
        Ok(names) => naxos_log_server::is_begun(&names),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    match (&config.cluster.state, &config.cluster.refusal) {
        _ if begun => Ok(()),
        (_, Some(refusal)) => Err(StartError::Begin(refusal.clone())),
        (ClusterState::Existing, None) => Err(StartError::Join),
        (ClusterState::New, None) => Ok(()),
    }
}

/// The data directory, read and found good; nothing is written yet.
async fn find_journal(seams: &Seams, unit: LogServerConfig, metrics: &Arc<Metrics>) -> Result<FoundJournal, OpenError> {
    let observed = Arc::clone(metrics);
    let on_sync: naxos_log_server::SyncObserver =
        Arc::new(move |took: Duration| observed.disk.wal_fsync.observe(took.as_secs_f64()));
    let unit = LogServerConfig { on_sync: Some(on_sync), ..unit };
    FoundJournal::read(seams.clone(), unit).await
}

/// The storage unit, the register and the log over both.
async fn open_log(
    seams: &Seams,
    found: FoundJournal,
    log: LogId,
    stops: &Stops,
) -> Result<(LogServer, Arc<MetaReplica>, Arc<VirtualLog>), StartError> {
    let log_server = found.start(stops.unit.clone()).await?;
    let incarnation = Incarnation { storage: log_server.storage_id(), boot: log_server.boot() };
    let meta_config = MetaConfig::alone(incarnation.storage);
    let meta = MetaReplica::start(&log_server, seams, meta_config, Arc::new(NoPeers), stops.meta.clone()).await?;
    let peers = Arc::new(Peers::default());
    peers.set_unit(log_server.unit().clone());
    peers.set_sequencer(Arc::new(NativeSequencer::new(incarnation, peers.clone())));
    // This node is its own and only peer, and always alive: nobody changes the value.
    let alive = watch::Sender::new(Liveness { sequencers: vec![incarnation], units: vec![incarnation.storage] });
    let parts = VirtualLogParts {
        config: VirtualLogConfig { log, kind: LogletKind::NATIVE, takeover_after: TAKEOVER_AFTER },
        meta: meta.clone(),
        providers: vec![Arc::new(NativeProvider::new(peers.clone(), peers)), Arc::new(MemoryProvider::default())],
        alive: alive.subscribe(),
        clock: Arc::clone(&seams.clock),
        entropy: Arc::clone(&seams.entropy),
    };
    let log = VirtualLog::start(parts).await?;
    Ok((log_server, meta, log))
}

/// What the later steps of a start share.
struct Parts {
    config: ServerConfig,
    seams: Seams,
    runtimes: usize,
    stops: Stops,
    metrics: Arc<Metrics>,
    log_id: LogId,
    member: MemberId,
    incarnation: Incarnation,
    reserve_bytes: u64,
}

impl Parts {
    async fn start(
        self,
        bound: BoundPort,
        (local_store, store): (LocalStore, Arc<SharedStore>),
        log_server: LogServer,
        meta: Arc<MetaReplica>,
        log: Arc<VirtualLog>,
    ) -> Result<Node, StartError> {
        let rebuilt = Rebuilt::new(&self, &local_store, store);
        let rings = rebuilt.rings.clone();
        let checkpointer = local_store.checkpointer(self.reserve_bytes);
        let defragmenter = checkpointer.defragmenter();
        let unit = Arc::clone(log_server.unit());
        let stack = self.build_stack(&log, local_store, rebuilt.machine());
        let (cold, cold_reads) = ColdReader::new();
        let mut workers = self.start_workers(&stack, cold_reads, rebuilt.reader.clone(), checkpointer);
        stack.start().await?;
        let (stops, worker) = (self.stops.clone(), Arc::clone(&self.seams.worker));
        let backend = self.into_backend(rebuilt, stack, cold, log, unit, defragmenter);
        workers.push(start(&*worker, "control", stops.running.clone(), {
            let backend = Arc::clone(&backend);
            |stop| upkeep::run(backend, stop)
        }));
        announce(&backend, &stops.running).await?;
        gauges::install(&backend);
        let port = serve(bound, &backend, rings, &stops);
        tracing::info!("ready to serve client requests");
        Ok(Node { port, stops, workers, meta, log_server, backend })
    }

    fn build_stack(
        &self,
        log: &Arc<VirtualLog>,
        local_store: LocalStore,
        machine: Machine<NodeListener>,
    ) -> Arc<NodeStack> {
        let config = StackConfig {
            log: log.clone(),
            log_id: self.log_id,
            incarnation: self.incarnation,
            clock: Arc::clone(&self.seams.clock),
        };
        Stack::new(config, local_store, machine)
    }

    /// The Workers under the stack: they run before it starts.
    fn start_workers(
        &self,
        stack: &Arc<NodeStack>,
        cold_reads: ColdReads,
        reader: StoreReader,
        checkpointer: Checkpointer,
    ) -> Vec<WorkerHandle> {
        let (worker, stop) = (&*self.seams.worker, &self.stops.running);
        let (applied, metrics, failed) = (Arc::clone(stack), Arc::clone(&self.metrics), stop.clone());
        vec![
            start(worker, "apply", stop.clone(), |stop| async move { applied.run(stop).await }),
            start(worker, "cold-store", stop.clone(), |stop| cold_reads.run(reader, stop)),
            start(worker, "checkpoint", stop.clone(), |stop| async move {
                let observe = |stats: CheckpointStats| metrics.disk.backend_commit.observe(stats.took.as_secs_f64());
                if let Err(e) = checkpointer.run(stop, observe).await {
                    tracing::error!(error = %e, "the checkpoint cannot be written; the node stops");
                    failed.cancel();
                }
            }),
        ]
    }

    fn into_backend(
        self,
        rebuilt: Rebuilt,
        stack: Arc<NodeStack>,
        cold: ColdReader,
        log: Arc<VirtualLog>,
        unit: Arc<Unit>,
        defragmenter: Defragmenter,
    ) -> Arc<Backend> {
        let Rebuilt { reader, store, keeper, janitor, .. } = rebuilt;
        let Seams { clock, entropy, disk, worker, .. } = self.seams;
        Arc::new(Backend {
            gate: stack.read_gate(),
            cluster_id: self.log_id.0,
            member_id: self.member.0,
            stack,
            store,
            reader,
            cold,
            keeper,
            janitor,
            log,
            unit,
            defragmenter,
            metrics: self.metrics,
            started: clock.now(),
            clock,
            deadlines: Arc::new(Deadlines::new(self.config.election_timeout)),
            entropy,
            tasks: Tasks::new(worker, self.stops.running),
            disk,
            free_bytes: AtomicU64::new(u64::MAX),
            read_only: OnceLock::new(),
            reserve_bytes: self.reserve_bytes,
            incarnation: self.incarnation,
            slow_watchers: Arc::new(AtomicUsize::new(0)),
            hubs: Mutex::new(Vec::new()),
            config: self.config,
        })
    }
}

/// What is in memory of the local store's rows, and who is told of its changes.
struct Rebuilt {
    reader: StoreReader,
    store: Arc<SharedStore>,
    rings: Vec<Arc<Ring>>,
    keeper: Arc<LeaseKeeper>,
    janitor: Arc<Janitor>,
}

impl Rebuilt {
    fn new(parts: &Parts, local_store: &LocalStore, store: Arc<SharedStore>) -> Self {
        let clock = &parts.seams.clock;
        let reader = local_store.reader();
        let revision = store.read().revision;
        let rings = (0..parts.runtimes).map(|_| Ring::new(revision)).collect();
        let keeper = LeaseKeeper::new(Arc::clone(clock), parts.incarnation.storage, store.read().keeper);
        for (id, lease) in &store.read().leases {
            keeper.granted(*id, lease.ttl);
        }
        let janitor = Janitor::new(Arc::clone(&store), reader.clone(), Arc::clone(clock));
        Self { reader, store, rings, keeper, janitor }
    }

    fn machine(&self) -> Machine<NodeListener> {
        let (rings, keeper, janitor) = (self.rings.clone(), Arc::clone(&self.keeper), Arc::clone(&self.janitor));
        let listener = NodeListener { rings, keeper, janitor };
        Machine::new(Arc::clone(&self.store), self.reader.clone(), listener)
    }
}

/// Writes what the log must have before clients are served: this member's name and URLs, and who keeps the leases.
async fn announce(backend: &Arc<Backend>, stop: &CancellationToken) -> Result<(), StartError> {
    let pending = PendingRequests::new(Arc::clone(&backend.deadlines));
    let dispatch = Arc::clone(&pending.replies).dispatch(|| backend.stack.flush(), stop.child_token());
    let urls = |urls: &[crate::config::Url]| urls.iter().map(ToString::to_string).collect::<Vec<_>>();
    let config = &backend.config;
    let known = backend.store.read().members.get(&backend.member_id).cloned();
    let member = pb::Member {
        id: backend.member_id,
        name: config.name.clone(),
        peer_ur_ls: known.as_ref().map_or_else(|| urls(&config.advertise_peer_urls), |m| m.peer_ur_ls.clone()),
        client_ur_ls: urls(&config.advertise_client_urls),
        is_learner: false,
    };
    let work = async {
        if known.as_ref() != Some(&member) {
            backend.propose(&pending, Command::Publish(member)).await?;
        }
        upkeep::take_office(backend, &pending).await
    };
    tokio::select! {
        biased;
        done = work => done.map_err(|e| StartError::Announce(e.message().to_owned())),
        () = dispatch => Err(StartError::Announce("the node is stopping".to_owned())),
    }
}
