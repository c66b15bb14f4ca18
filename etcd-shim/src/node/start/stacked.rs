//! The third step: [`Stacked`].

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};

use naxos_engines::snapshots::{Offering, OfferingParts};
use naxos_log_server::LogServer;
use naxos_proto::seams::{Seams, Tasks, WorkerHandle, start};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::catch_up::{CatchUp, OpenStore};
use super::context::Context;
use super::open_store::reopen_store;
use super::opened::Opened;
use super::rebuilt::Rebuilt;
use super::running_stack::{RunningStack, StackParts};
use super::start_error::StartError;
use crate::backend::{Backend, Deadlines, Fence, Leadership, LeaseDesk};
use crate::node::cluster::{Followers, Reconciler, SnapshotDesk, follow_seats};
use crate::node::replicas::Comparison;
use crate::node::stops::Stops;
use crate::port::BoundPort;
use crate::watch::Ring;

/// The engine stack runs: the log is replayed up to its tail, and a session of this boot is open.
pub(super) struct Stacked {
    pub(super) bound: BoundPort,
    pub(super) stops: Stops,
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) rings: Vec<Arc<Ring>>,
    pub(super) backend: Arc<Backend>,
    pub(super) log_server: LogServer,
    pub(super) reconciler: Reconciler,
    pub(super) comparison: Comparison,
}

impl Opened {
    /// Builds the stack over the local store and replays the log. In a cluster, gets a snapshot first if the log no longer
    /// holds what the local store lacks.
    pub(super) async fn stack(self, store: OpenStore) -> Result<Stacked, StartError> {
        if self.is_alone {
            return self.build(store).await;
        }
        let (seams, peers) = (self.context.seams.clone(), Arc::clone(&self.peers));
        let (own, known) = (self.member, self.reconciler.written.clone());
        let (meta, nodes, roles) = (Arc::clone(&self.meta), self.nodes.clone(), self.reconciler.roles.clone());
        let followers = Followers { peers: &peers, meta: &meta, roles: &roles, nodes: &nodes, own, known };
        tokio::select! {
            biased;
            stacked = self.build(store) => stacked,
            () = follow_seats(&seams, followers) => unreachable!("it asks for as long as the start lasts"),
        }
    }

    async fn build(self, mut open: OpenStore) -> Result<Stacked, StartError> {
        let Opened { context, bound, mut workers, log_server, meta, log, log_id, .. } = self;
        let Opened { member, incarnation, roster, nodes, beat, leases, peers, snapshots, reconciler, .. } = self;
        let Opened { sequencer, .. } = self;
        let Opened { is_alone, servers_min, checksums, start, starts, .. } = self;
        let (unit, lock) = (Arc::clone(log_server.unit()), log_server.lock());
        let parts = StackParts {
            context: &context,
            log: &log,
            log_id,
            incarnation,
            unit: &unit,
            lock: &lock,
            is_alone,
            servers_min,
        };
        let running = loop {
            if !is_alone {
                let (context, log, own, nodes) = (&context, &log, incarnation.storage, &nodes);
                open = CatchUp { context, log, own, peers: &peers, nodes }.store(open).await?;
            }
            match parts.start(open).await? {
                Some(running) => break running,
                None => {
                    let resident_bytes = context.config.limits.resident_bytes;
                    open = reopen_store(&context.seams, incarnation.storage, resident_bytes).await?;
                }
            }
        };
        let RunningStack { stack, rebuilt, cold, defragmenter, snapshotter, workers: of_stack } = running;
        workers.extend(of_stack);
        beat.set_reader(rebuilt.reader.clone());
        let fence = Arc::new(Fence::new(rebuilt.reader.differs()));
        if let Some(difference) = fence.difference() {
            tracing::error!("{difference}; this member serves nothing");
        }
        workers.push(offer_snapshots(&context.seams, &context.stops, (&snapshots, &fence), lock, {
            let (disk, clock) = (Arc::clone(&context.seams.disk), Arc::clone(&context.seams.clock));
            let (entropy, reader) = (Arc::clone(&context.seams.entropy), rebuilt.reader.clone());
            let (view, trimmed) = (Arc::clone(stack.view()), Arc::clone(&stack));
            let trim_point = Box::new(move || trimmed.trim_point());
            OfferingParts { log: log_id, disk, clock, entropy, reader, snapshotter, view, trim_point }
        }));
        let Context { config, seams, stops, metrics, reserve_bytes, .. } = context;
        let Rebuilt { reader, store, rings, keeper, janitor, own, objects_changed, .. } = rebuilt;
        let backend = Arc::new(Backend {
            gate: stack.read_gate(),
            roster,
            nodes,
            member_id: member.0,
            stack,
            store,
            reader,
            own,
            objects_changed,
            cold,
            keeper,
            janitor,
            log,
            unit,
            sequencer,
            meta,
            defragmenter,
            metrics,
            start,
            starts,
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
            alive_since: Mutex::default(),
            is_learner: AtomicBool::new(false),
            leadership: Leadership::default(),
            fence,
            failure: stops.failure.clone(),
            removed: CancellationToken::new(),
            backups: Arc::new(Semaphore::new(Backend::BACKUPS_MAX)),
            config,
        });
        leases.set(LeaseDesk(Arc::clone(&backend)));
        checksums.set(Arc::clone(&backend));
        let comparison = Comparison { peers, own: checksums };
        backend.note_membership();
        Ok(Stacked { bound, stops, workers, rings, backend, log_server, reconciler, comparison })
    }
}

/// Offers snapshots to the other nodes from now on. The Worker shares the lock on the data directory, because it removes
/// files there.
fn offer_snapshots(
    seams: &Seams,
    stops: &Stops,
    (desk, fence): (&SnapshotDesk, &Arc<Fence>),
    lock: Arc<dyn Send + Sync>,
    parts: OfferingParts,
) -> WorkerHandle {
    let (offering, offers) = Offering::new(parts);
    desk.set(offering, Arc::clone(fence));
    start(&*seams.worker, "snapshots", stops.running.clone(), |stop| async move {
        let _lock = lock;
        offers.run(stop).await;
    })
}
