//! The third step: [`Stacked`].

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use naxos_client::LogError;
use naxos_engines::local_store::{CheckpointStats, Checkpointer};
use naxos_engines::stack::{Stack, StackConfig, StackError};
use naxos_engines::{ProposeError, StoreReader};
use naxos_log_server::LogServer;
use naxos_log_server::meta::MetaReplica;
use naxos_proto::seams::{Tasks, WorkerHandle, start};
use parking_lot::Mutex;

use super::context::Context;
use super::opened::Opened;
use super::rebuilt::Rebuilt;
use super::start_error::StartError;
use crate::backend::{Backend, Deadlines, LeaseDesk, NodeListener};
use crate::node::stops::Stops;
use crate::port::BoundPort;
use crate::state::Machine;
use crate::state::kv::store_reads::{StoreReadWorker, StoreReads};
use crate::watch::Ring;

/// The time between two attempts to start the stack.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// The time between two messages about what the start waits for.
const TELL_EVERY: Duration = Duration::from_secs(5);

type NodeStack = Stack<Machine<NodeListener>>;

/// The engine stack runs: the log is replayed up to its tail, and a session of this boot is open.
pub(super) struct Stacked {
    pub(super) bound: BoundPort,
    pub(super) stops: Stops,
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) rings: Vec<Arc<Ring>>,
    pub(super) backend: Arc<Backend>,
    pub(super) log_server: LogServer,
    pub(super) meta: Arc<MetaReplica>,
}

impl Opened {
    /// Builds the stack over the local store and replays the log.
    pub(super) async fn stack(self) -> Result<Stacked, StartError> {
        let Opened { context, bound, mut workers, local_store, store, log_server, meta, log, log_id, .. } = self;
        let Opened { member, incarnation, roster, nodes, beat, leases, .. } = self;
        let rebuilt = Rebuilt::new(&context, incarnation.storage, &local_store, store);
        let checkpointer = local_store.checkpointer(context.reserve_bytes);
        let defragmenter = checkpointer.defragmenter();
        let config = StackConfig { log: log.clone(), log_id, incarnation, clock: Arc::clone(&context.seams.clock) };
        let stack = Stack::new(config, local_store, rebuilt.machine());
        let (cold, cold_reads) = StoreReads::new();
        workers.extend(start_workers(&context, &stack, cold_reads, rebuilt.reader.clone(), checkpointer));
        start_stack(&stack, &context).await?;
        beat.set_reader(rebuilt.reader.clone());
        let Context { config, seams, stops, metrics, reserve_bytes, .. } = context;
        let Rebuilt { reader, store, rings, keeper, janitor } = rebuilt;
        let backend = Arc::new(Backend {
            gate: stack.read_gate(),
            roster,
            nodes,
            member_id: member.0,
            stack,
            store,
            reader,
            cold,
            keeper,
            janitor,
            log,
            unit: Arc::clone(log_server.unit()),
            defragmenter,
            metrics,
            started: seams.clock.now(),
            clock: seams.clock,
            deadlines: Arc::new(Deadlines::new(config.election_timeout)),
            entropy: seams.entropy,
            tasks: Tasks::new(seams.worker, stops.running.clone()),
            disk: seams.disk,
            free_bytes: AtomicU64::new(u64::MAX),
            read_only: OnceLock::new(),
            reserve_bytes,
            incarnation,
            slow_watchers: Arc::new(AtomicUsize::new(0)),
            hubs: Mutex::new(Vec::new()),
            config,
        });
        leases.set(LeaseDesk(Arc::clone(&backend)));
        Ok(Stacked { bound, stops, workers, rings, backend, log_server, meta })
    }
}

/// Starts the stack. In a cluster this needs a majority of the nodes, which may come and go meanwhile, so it is tried
/// until it succeeds. A node that is alone has nobody to wait for.
async fn start_stack(stack: &NodeStack, context: &Context) -> Result<(), StartError> {
    let clock = &context.seams.clock;
    let mut told = clock.now();
    loop {
        let error = match stack.start().await {
            Ok(_) => return Ok(()),
            Err(StackError::Log(LogError::Unavailable(why))) => StackError::Log(LogError::Unavailable(why)),
            Err(error @ StackError::Propose(ProposeError::Refused(_) | ProposeError::Unknown(_))) => error,
            Err(error) => return Err(error.into()),
        };
        if context.config.cluster.members.len() == 1 {
            return Err(error.into());
        }
        if clock.now().since(told) >= TELL_EVERY {
            told = clock.now();
            tracing::info!(%error, "waiting for a log that takes entries");
        }
        clock.sleep(TRY_AGAIN).await;
    }
}

/// Starts the Workers that the stack needs. The apply Worker must run before [`Stack::start`], which waits for it to
/// replay the log.
fn start_workers(
    context: &Context,
    stack: &Arc<NodeStack>,
    cold_reads: StoreReadWorker,
    reader: StoreReader,
    checkpointer: Checkpointer,
) -> Vec<WorkerHandle> {
    let (worker, stop) = (&*context.seams.worker, &context.stops.running);
    let (applied, metrics, failed) = (Arc::clone(stack), Arc::clone(&context.metrics), stop.clone());
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
