//! [`RunningStack`]: the engine stack and the Workers that it needs.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use futures::FutureExt;
use naxos_client::{LogError, VirtualLog};
use naxos_engines::local_store::{CheckpointStats, Checkpointer, Defragmenter, Snapshotter};
use naxos_engines::stack::{Stack, StackConfig, StackError};
use naxos_engines::view_tracking::HeldLog;
use naxos_engines::{ProposeError, StoreReader};
use naxos_log_server::Unit;
use naxos_proto::ids::{Incarnation, LogId, Lsn};
use naxos_proto::seams::{WorkerHandle, start};
use tokio_util::sync::CancellationToken;

use super::catch_up::OpenStore;
use super::context::Context;
use super::own_rows::check_own_rows;
use super::rebuilt::Rebuilt;
use super::start_error::StartError;
use crate::backend::NodeListener;
use crate::node::attempts::Attempts;
use crate::state::Machine;
use crate::state::kv::store_reads::{StoreReadWorker, StoreReads};

/// The time between two attempts to start the stack.
const TRY_AGAIN: Duration = Duration::from_millis(100);

pub(super) type NodeStack = Stack<Machine<NodeListener>>;

/// What the stack runs on.
pub(super) struct StackParts<'a> {
    pub(super) context: &'a Context,
    pub(super) log: &'a Arc<VirtualLog>,
    pub(super) log_id: LogId,
    pub(super) incarnation: Incarnation,
    pub(super) unit: &'a Arc<Unit>,
    /// The lock on the data directory.
    pub(super) lock: &'a Arc<dyn Send + Sync>,
    /// Whether the cluster has only this data directory, as far as is known.
    pub(super) is_alone: bool,
    /// The log is trimmed only as far as this many members have made the state durable.
    pub(super) servers_min: Arc<AtomicUsize>,
}

/// The stack has replayed the log up to its tail, and a session of this boot is open.
pub(super) struct RunningStack {
    pub(super) stack: Arc<NodeStack>,
    pub(super) rebuilt: Rebuilt,
    pub(super) cold: StoreReads,
    pub(super) defragmenter: Defragmenter,
    pub(super) snapshotter: Snapshotter,
    pub(super) workers: Vec<WorkerHandle>,
}

impl StackParts<'_> {
    /// Builds the stack over the local store and replays the log. `None` if the log was trimmed meanwhile, beyond what
    /// the replay had reached; then no part of the stack is left. For a node that is alone this is an error.
    pub(super) async fn start(&self, (local_store, store): OpenStore) -> Result<Option<RunningStack>, StartError> {
        let Self { context, log, log_id, incarnation, unit, lock, is_alone, servers_min } = self;
        // The rows may have come with a snapshot of another node.
        check_own_rows(&local_store.reader(), context.applicator.is_some())?;
        let mut rebuilt =
            Rebuilt::new(context, incarnation.storage, &local_store, store).map_err(StartError::Objects)?;
        let checkpointer = local_store.checkpointer(context.reserve_bytes);
        let (defragmenter, snapshotter) = (checkpointer.defragmenter(), checkpointer.snapshotter());
        let (log, clock) = (Arc::clone(log), Arc::clone(&context.seams.clock));
        let (unit, bytes_max) = (Arc::clone(unit), context.config.limits.held_log_bytes);
        let servers_min = Arc::clone(servers_min);
        let sealed_below = {
            let log = Arc::clone(&log);
            move || {
                let (_, chain) = log.chain();
                if chain.segments.len() > 1 { chain.active().start } else { Lsn::ZERO }
            }
        };
        let held = HeldLog {
            bytes: Arc::new(move || unit.disk_usage().bytes),
            bytes_max,
            servers_min,
            sealed_below: Arc::new(sealed_below),
        };
        let config = StackConfig { log, log_id: *log_id, incarnation: *incarnation, clock, held };
        let stack = Stack::new(config, local_store, rebuilt.machine());
        let (cold, cold_reads) = StoreReads::new();
        let ends = context.stops.running.child_token();
        let checkpoints = (checkpointer, Arc::clone(lock));
        let workers = start_workers(context, &ends, &stack, cold_reads, rebuilt.reader.clone(), checkpoints);
        // The log is replayed on this thread, so a failure of the program's own state machine unwinds to here.
        let failed = match AssertUnwindSafe(start_stack(&stack, context, *is_alone)).catch_unwind().await {
            Ok(Ok(())) => {
                return Ok(Some(RunningStack { stack, rebuilt, cold, defragmenter, snapshotter, workers }));
            }
            Ok(Err(error)) => Ok(error),
            Err(panic) => Err(panic),
        };
        // The checkpoint Worker writes to the local store until it ends, and the next start may open the store at once.
        ends.cancel();
        let mut ended = Ok(());
        for worker in workers {
            ended = ended.and(worker.join().await);
        }
        match failed {
            Ok(StartError::Stack(StackError::Log(LogError::Trimmed(begin)))) if !is_alone => {
                tracing::info!(begin = begin.0, "the log was trimmed while it was being replayed");
                ended.map(|()| None).map_err(|_| StartError::Lost)
            }
            Ok(error) => Err(error),
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Starts the stack. In a cluster this needs a majority of the nodes, which may come and go meanwhile. So the start is
/// repeated as long as the log cannot be reached or takes no entries. Any other error is returned at once. A node that
/// is alone has nobody to wait for, and returns every error at once.
async fn start_stack(stack: &NodeStack, context: &Context, is_alone: bool) -> Result<(), StartError> {
    let mut attempts = Attempts::new(&*context.seams.clock);
    loop {
        let error = match stack.start().await {
            Ok(_) => return Ok(()),
            Err(StackError::Log(LogError::Unavailable(why))) => StackError::Log(LogError::Unavailable(why)),
            Err(error @ StackError::Propose(ProposeError::Refused(_) | ProposeError::Unknown(_))) => error,
            Err(error) => return Err(error.into()),
        };
        if is_alone {
            return Err(error.into());
        }
        attempts.pause(TRY_AGAIN, || tracing::info!(%error, "waiting for a log that takes entries")).await;
    }
}

/// Starts the Workers that the stack needs. The apply Worker must run before [`Stack::start`], because it applies the
/// entries that `start` appends. The Worker that writes checkpoints shares the lock on the data directory. The Workers end
/// when `ends` is cancelled. If one of them panics, the whole node ends.
fn start_workers(
    context: &Context,
    ends: &CancellationToken,
    stack: &Arc<NodeStack>,
    cold_reads: StoreReadWorker,
    reader: StoreReader,
    (checkpointer, lock): (Checkpointer, Arc<dyn Send + Sync>),
) -> Vec<WorkerHandle> {
    let (worker, stop) = (&*context.seams.worker, &context.stops.running);
    let (applied, metrics, failed) = (Arc::clone(stack), Arc::clone(&context.metrics), stop.clone());
    let (apply_ends, cold_ends, checkpoint_ends) = (ends.clone(), ends.clone(), ends.clone());
    vec![
        start(worker, "apply", stop.clone(), |_| async move { applied.run(apply_ends).await }),
        start(worker, "cold-store", stop.clone(), |_| cold_reads.run(reader, cold_ends)),
        start(worker, "checkpoint", stop.clone(), |_| async move {
            let _lock = lock;
            let observe = |stats: CheckpointStats| metrics.disk.backend_commit.observe(stats.took.as_secs_f64());
            if let Err(e) = checkpointer.run(checkpoint_ends, observe).await {
                tracing::error!(error = %e, "the checkpoint cannot be written; the node stops");
                failed.cancel();
            }
        }),
    ]
}
