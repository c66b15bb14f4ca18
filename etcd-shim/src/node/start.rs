//! Starts a node, part by part: ports bound, storage unit, register, log, store, stack, then services.

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use naxos_client::loglets::{MemoryProvider, NativeProvider};
use naxos_client::{Liveness, ReconfigureError, VirtualLog, VirtualLogConfig};
use naxos_engines::LocalStore;
use naxos_engines::local_store::{StoreError, StoreExpected};
use naxos_engines::reply_port::ReplyPort;
use naxos_engines::stack::{Stack, StackConfig, StackError};
use naxos_log_server::meta::{MetaConfig, MetaReplica, NoPeers};
use naxos_log_server::{FoundJournal, LogServer, LogServerConfig, OpenError};
use naxos_proto::chain::LogletKind;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::ids::{Incarnation, LogId, StoreId};
use naxos_proto::seams::{Seams, WorkerHandle, start};
use naxos_sequencer::NativeSequencer;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Node;
use super::backend::Backend;
use super::cold_reader::ColdReader;
use super::deadlines::Deadlines;
use super::health::NodeHealth;
use super::lease_keeper::LeaseKeeper;
use super::listener::NodeListener;
use super::peers::Peers;
use super::{gauges, ids, upkeep};
use crate::config::{ClusterState, ServerConfig};
use crate::http::{HttpState, router};
use crate::metrics::Metrics;
use crate::port::{BoundPort, GrpcRoutes, PortConfig, PortError};
use crate::services::Desk;
use crate::services::{cluster, control, kv, lease, maintenance, watch as watch_service};
use crate::state::janitor::Janitor;
use crate::state::{Command, Machine, SharedStore};
use crate::tls::TlsError;
use crate::watch::{Hub, HubConfig, Ring};

/// What a gRPC message may have beside the largest request.
const GRPC_OVERHEAD_BYTES: usize = 512 << 10;
/// A seal without a successor is followed up after this long.
const TAKEOVER_AFTER: Duration = Duration::from_millis(200);

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ports do not open.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The certificates are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The data directory does not open.
    #[error(transparent)]
    LogServer(#[from] OpenError),
    /// The chain cannot be read or changed.
    #[error("the log cannot be opened: {0}")]
    Log(#[from] ReconfigureError),
    /// The local store does not open.
    #[error("the local store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The stack does not start.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// Joining is not there yet.
    #[error(
        "--initial-cluster-state=existing: joining a cluster is not built yet, expected new for a data directory that \
         holds nothing"
    )]
    Join,
    /// A first command was not done.
    #[error("the node cannot announce itself: {0}")]
    Announce(String),
}

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
        let (serving, running) = (CancellationToken::new(), CancellationToken::new());
        let port_config = PortConfig::from_server(&config, runtimes)?;
        let bound = BoundPort::bind(seams.clone(), port_config, serving.clone()).await?;
        let metrics = Arc::new(Metrics::new(config.metrics, runtimes, &config.feature_gates, seams.clock.wall().0));
        metrics.set_cluster_version("3.6");

        let cluster_id = ids::cluster_id(&config.cluster.members, &config.cluster.token);
        let member_id = ids::member_id(&config.advertise_peer_urls, &config.cluster.token);
        let log_id = LogId(cluster_id);
        let reserve_bytes = unit.reserve_bytes;
        refuse_to_join(&config, &seams).await?;
        let found = find_journal(&seams, unit, log_id, &metrics).await?;
        let expected = StoreExpected { storage: found.storage_id(), required: found.was_trimmed() };
        let (disk, clock) = (Arc::clone(&seams.disk), Arc::clone(&seams.clock));
        let local_store = LocalStore::open_expected(disk, clock, expected).await?;
        let (log_server, meta, log) = open_log(&seams, found, log_id, &running).await?;
        let incarnation = Incarnation { storage: log_server.storage_id(), boot: log_server.boot() };

        let parts = Parts {
            config,
            seams,
            runtimes,
            serving,
            running,
            metrics,
            cluster_id,
            member_id,
            incarnation,
            reserve_bytes,
        };
        parts.start(bound, local_store, log_server, meta, log, log_id).await
    }
}

/// A member that shall join others must not begin a cluster of its own instead.
async fn refuse_to_join(config: &ServerConfig, seams: &Seams) -> Result<(), StartError> {
    let empty = seams.disk.list("").await.is_ok_and(|names| names.is_empty());
    let missing = seams.disk.list("").await.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
    match config.cluster.state {
        ClusterState::Existing if empty || missing => Err(StartError::Join),
        _ => Ok(()),
    }
}

/// The data directory, read and found good; nothing is written yet.
async fn find_journal(
    seams: &Seams,
    unit: LogServerConfig,
    log: LogId,
    metrics: &Arc<Metrics>,
) -> Result<FoundJournal, OpenError> {
    let observed = Arc::clone(metrics);
    let on_sync: naxos_log_server::SyncObserver =
        Arc::new(move |took: Duration| observed.disk.wal_fsync.observe(took.as_secs_f64()));
    let unit = LogServerConfig { log: Some(log), on_sync: Some(on_sync), ..unit };
    FoundJournal::read(seams.clone(), unit).await
}

/// The storage unit, the register and the log over both.
async fn open_log(
    seams: &Seams,
    found: FoundJournal,
    log: LogId,
    stop: &CancellationToken,
) -> Result<(LogServer, Arc<MetaReplica>, Arc<VirtualLog>), StartError> {
    let log_server = found.start(stop.child_token()).await?;
    let incarnation = Incarnation { storage: log_server.storage_id(), boot: log_server.boot() };
    let meta_config = MetaConfig::alone(incarnation.storage);
    let meta = MetaReplica::start(&log_server, seams, meta_config, Arc::new(NoPeers), stop.child_token()).await?;
    let peers = Arc::new(Peers::default());
    peers.set_unit(log_server.unit().clone());
    peers.set_sequencer(Arc::new(NativeSequencer::new(incarnation, peers.clone())));
    let alive = move || Liveness { sequencers: vec![incarnation], units: vec![incarnation.storage] };
    let config = VirtualLogConfig { log, kind: LogletKind::Native, takeover_after: TAKEOVER_AFTER };
    let log = VirtualLog::open(
        config,
        meta.clone(),
        vec![Arc::new(NativeProvider::new(peers.clone(), peers)), Arc::new(MemoryProvider::default())],
        Box::new(alive),
        Arc::clone(&seams.clock),
        Arc::clone(&seams.entropy),
    )
    .await?;
    Ok((log_server, meta, log))
}

/// What the later steps of a start share.
struct Parts {
    config: ServerConfig,
    seams: Seams,
    runtimes: usize,
    serving: CancellationToken,
    running: CancellationToken,
    metrics: Arc<Metrics>,
    cluster_id: u64,
    member_id: u64,
    incarnation: Incarnation,
    reserve_bytes: u64,
}

impl Parts {
    async fn start(
        self,
        bound: BoundPort,
        local_store: LocalStore,
        log_server: LogServer,
        meta: Arc<MetaReplica>,
        log: Arc<VirtualLog>,
        log_id: LogId,
    ) -> Result<Node, StartError> {
        let Seams { clock, worker, .. } = self.seams.clone();
        let reader = local_store.reader();
        let store = SharedStore::rebuild(StoreId(0), &reader, self.config.limits.resident_bytes);
        let revision = store.read().revision;
        let rings: Vec<_> = (0..self.runtimes).map(|_| Ring::new(revision)).collect();
        let keeper = LeaseKeeper::new(Arc::clone(&clock));
        for (id, lease) in &store.read().leases {
            keeper.granted(*id, lease.ttl);
        }
        let janitor = Janitor::new(Arc::clone(&store), reader.clone(), Arc::clone(&clock));
        let listener =
            NodeListener { rings: rings.clone(), keeper: Arc::clone(&keeper), janitor: Arc::clone(&janitor) };
        let checkpointer = local_store.checkpointer();
        let defragmenter = checkpointer.defragmenter();
        let unit = Arc::clone(log_server.unit());
        let stack_config = StackConfig {
            log: log.clone(),
            log_id,
            incarnation: self.incarnation,
            clock: Arc::clone(&clock),
            apply_inline: {
                let unit = Arc::clone(&unit);
                Box::new(move || unit.queued() == 0)
            },
        };
        let machine = Machine::new(Arc::clone(&store), reader.clone(), listener);
        let stack = Stack::new(stack_config, local_store, machine);
        let (cold, cold_reads) = ColdReader::new();

        let mut workers: Vec<WorkerHandle> = Vec::new();
        let stop = &self.running;
        let (applied, metrics, cold_reader) = (Arc::clone(&stack), Arc::clone(&self.metrics), reader.clone());
        workers.push(start(&*worker, "apply", stop.clone(), |stop| async move { applied.run(stop).await }));
        workers.push(start(&*worker, "cold-store", stop.clone(), |stop| cold_reads.run(cold_reader, stop)));
        let failed = stop.clone();
        workers.push(start(&*worker, "checkpoint", stop.clone(), |stop| async move {
            let observe = |stats: naxos_engines::local_store::CheckpointStats| {
                metrics.disk.backend_commit.observe(stats.took.as_secs_f64());
            };
            if let Err(e) = checkpointer.run(stop, observe).await {
                tracing::error!(error = %e, "the checkpoint cannot be written; the node stops");
                failed.cancel();
            }
        }));

        stack.start().await?;
        let backend = Arc::new(Backend {
            gate: stack.read_gate(),
            cluster_id: self.cluster_id,
            member_id: self.member_id,
            stack,
            store,
            reader,
            cold,
            keeper,
            janitor,
            log,
            unit,
            defragmenter,
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&clock),
            deadlines: Deadlines::new(self.config.election_timeout),
            entropy: Arc::clone(&self.seams.entropy),
            disk: Arc::clone(&self.seams.disk),
            free_bytes: AtomicU64::new(u64::MAX),
            read_only: OnceLock::new(),
            reserve_bytes: self.reserve_bytes,
            boot: self.incarnation.boot.0,
            started: clock.now(),
            slow_watchers: Arc::new(AtomicUsize::new(0)),
            hubs: Mutex::new(Vec::new()),
            config: self.config,
        });
        workers.push(start(&*worker, "control", stop.clone(), {
            let backend = Arc::clone(&backend);
            |stop| upkeep::run(backend, stop)
        }));
        announce(&backend, &self.running).await?;
        gauges::install(&backend);
        let port = serve(bound, &backend, rings, (&self.serving, &self.running), &self.metrics);
        tracing::info!("ready to serve client requests");
        Ok(Node {
            port,
            serving: self.serving,
            failed: self.running.clone(),
            running: self.running,
            workers,
            meta,
            log_server,
            backend,
        })
    }
}

/// Writes what the log must have before clients are served: this member's name and URLs, and who keeps the leases.
async fn announce(backend: &Arc<Backend>, stop: &CancellationToken) -> Result<(), StartError> {
    let port = ReplyPort::new();
    let dispatch = Arc::clone(&port).dispatch(|| backend.stack.flush(), stop.child_token());
    let urls = |urls: &[crate::config::Url]| urls.iter().map(ToString::to_string).collect::<Vec<_>>();
    let config = &backend.config;
    let member = pb::Member {
        id: backend.member_id,
        name: config.name.clone(),
        peer_ur_ls: urls(&config.advertise_peer_urls),
        client_ur_ls: urls(&config.advertise_client_urls),
        is_learner: false,
    };
    let work = async {
        let known = backend.store.read().members.get(&member.id) == Some(&member);
        if !known {
            backend.propose(&port, Command::Publish(member)).await?;
        }
        upkeep::take_office(backend, &port).await
    };
    tokio::select! {
        biased;
        done = work => done.map_err(|e| StartError::Announce(e.message().to_owned())),
        () = dispatch => Err(StartError::Announce("the node is stopping".to_owned())),
    }
}

fn serve(
    bound: BoundPort,
    backend: &Arc<Backend>,
    rings: Vec<Arc<Ring>>,
    (serving, running): (&CancellationToken, &CancellationToken),
    metrics: &Metrics,
) -> crate::port::Port {
    let health = Arc::new(NodeHealth(Arc::clone(backend)));
    let command_line = std::env::args().collect();
    let http = Arc::new(HttpState::new(
        &backend.config,
        health,
        Arc::clone(&backend.metrics),
        Arc::clone(&backend.clock),
        command_line,
    ));
    let (backend, stop, running) = (Arc::clone(backend), serving.clone(), running.clone());
    let grpc = move |runtime: usize| {
        let port = ReplyPort::new();
        let stack = Arc::clone(&backend.stack);
        // These serve the requests in flight while the port drains.
        tokio::spawn(Arc::clone(&port).dispatch(move || stack.flush(), running.child_token()));
        let gate = backend.stack.read_gate();
        tokio::spawn(Arc::clone(&gate).serve(running.child_token()));
        let hub = Hub::new(HubConfig {
            ring: Arc::clone(&rings[runtime]),
            store: Arc::clone(&backend.store),
            cold: backend.cold.clone(),
            clock: Arc::clone(&backend.clock),
            progress_interval: backend.config.watch_progress_notify_interval,
            fragment_bytes: backend.config.limits.max_request_bytes + GRPC_OVERHEAD_BYTES,
            slow_watchers: Arc::clone(&backend.slow_watchers),
        });
        backend.hubs.lock().push(Arc::downgrade(&hub));
        tokio::spawn(Arc::clone(&hub).run(stop.child_token()));
        let desk = Desk { backend: Arc::clone(&backend), port, gate, hub, stop: stop.clone() };
        routes(desk)
    };
    let http = move |_, traffic| router(Arc::clone(&http), traffic);
    bound.serve(Arc::new(grpc), Arc::new(http), metrics)
}

/// The services of one runtime, the most used first.
fn routes(desk: Desk) -> GrpcRoutes {
    let bytes_max = desk.backend.config.limits.max_request_bytes + GRPC_OVERHEAD_BYTES;
    macro_rules! service {
        ($server:path, $service:expr) => {
            <$server>::new($service).max_decoding_message_size(bytes_max).max_encoding_message_size(usize::MAX)
        };
    }
    let (_, health) = tonic_health::server::health_reporter();
    GrpcRoutes::default()
        .add_service(service!(pb::kv_server::KvServer<_>, kv::KvService(desk.clone())))
        .add_service(service!(pb::watch_server::WatchServer<_>, watch_service::WatchService(desk.clone())))
        .add_service(service!(pb::lease_server::LeaseServer<_>, lease::LeaseService(desk.clone())))
        .add_service(service!(
            pb::maintenance_server::MaintenanceServer<_>,
            maintenance::MaintenanceService(desk.clone())
        ))
        .add_service(service!(pb::cluster_server::ClusterServer<_>, cluster::ClusterService(desk.clone())))
        .add_service(health)
        .add_service(naxos_proto::control::control_server::ControlServer::new(control::ControlService(desk)))
}
