//! Work that a node does beside its clients' requests, on its control Worker: for example the engines' background work,
//! ending leases that have run out, automatic compaction, and the comparison with other replicas.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use naxos_client::SharedLog;
use naxos_proto::contracts::StorageUnit;
use naxos_proto::etcd::server::etcdserverpb::CompactionRequest;
use naxos_proto::ids::LogletId;
use naxos_proto::seams::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::backend::{Backend, PendingRequests, TICK};
use crate::config::AutoCompaction;
use crate::node::cluster::Reconciler;
use crate::node::replicas::Comparison;
use crate::node::versions;
use crate::state::{Command, Keeper};

/// The time between two compactions when the flags keep a number of revisions.
const REVISIONS_INTERVAL: Duration = Duration::from_secs(300);
/// The longest time between two compactions when the flags keep a period.
const PERIOD_INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// How long the keeper of leases must be gone before the log is reconfigured, so that another node becomes the keeper.
const KEEPER_GONE: Duration = Duration::from_secs(1);
/// The time between two looks at the disk's free space.
const DISK_INTERVAL: Duration = Duration::from_secs(1);
/// How many samples of the revision are taken between two compactions when the flags keep a period.
const SAMPLES: u32 = 10;

/// Runs until `stop`.
pub(super) async fn run(
    backend: Arc<Backend>,
    reconciler: Reconciler,
    comparison: Comparison,
    stop: CancellationToken,
) {
    let pending = PendingRequests::new(Arc::clone(&backend.deadlines));
    let work = async {
        tokio::join!(
            Arc::clone(&pending.replies).dispatch(|| backend.stack.flush(), stop.clone()),
            Arc::clone(&backend.gate).serve(stop.clone()),
            backend.stack.tend(stop.clone()),
            backend.janitor.run(stop.clone()),
            keep_leases(&backend, &pending),
            compact(&backend, &pending),
            watch_disk(&backend),
            watch_nodes(&backend),
            watch_leader(&backend),
            watch_strangers(&backend),
            backend.deadlines.run(&*backend.clock),
            reconciler.run(&backend, &pending),
            versions::agree(&backend, &pending),
            comparison.run(&backend, &pending),
        );
    };
    tokio::select! {
        biased;
        () = work => {}
        () = stop.cancelled() => {}
    }
}

/// Makes this node the keeper of leases, if it has to be and no node is the keeper under the active loglet yet. A member
/// whose state differs from that of the others takes no office: it is going to hand the sequencer over.
pub(super) async fn take_office(backend: &Backend, pending: &Arc<PendingRequests>) -> Result<(), Status> {
    if backend.fence.is_up() {
        return Ok(());
    }
    // If the log was not reconfigured since a keeper took office, nobody else can.
    if backend.keeper.in_office().loglet.ordinal >= backend.log.ordinal() {
        return Ok(());
    }
    let Some(loglet) = backend.loglet_to_keep_leases_under() else { return Ok(()) };
    let keeper = Keeper { loglet, storage: backend.unit.storage_id() };
    backend.propose(pending, Command::KeepLeases(keeper)).await.map(drop)
}

/// If the keeper in office has been gone for [`KEEPER_GONE`] under a loglet whose sequencer is alive, and this node has to
/// be the next keeper, reconfigures the log: a keeper takes over only under a newer loglet. This happens only if the sequencer
/// is on a machine of its own. Else the keeper and the sequencer are lost together, and the log is reconfigured anyway.
async fn replace_lost_keeper(backend: &Backend, gone_since: &mut Option<Instant>) {
    let keeper = backend.keeper.in_office();
    let is_alive = backend.nodes.borrow().get(&keeper.storage).is_some_and(|state| state.alive().is_some());
    let is_due = !is_alive
        && keeper.storage != backend.incarnation.storage
        && backend.loglet_to_keep_leases_under() == Some(keeper.loglet);
    if !is_due {
        *gone_since = None;
        return;
    }
    let now = backend.clock.now();
    let since = *gone_since.get_or_insert(now);
    if now.since(since) < KEEPER_GONE {
        return;
    }
    *gone_since = None;
    let (log, version) = (Arc::clone(&backend.log), backend.log.chain().0);
    tracing::warn!("the keeper of leases is gone: reconfiguring the log, so that this node can take its place");
    let changed = backend.tasks.finish("replace-keeper", async move { log.reconfigure_from(version).await });
    if let Some(Err(error)) = changed.await {
        tracing::warn!(%error, "the log was not reconfigured; trying again");
    }
}

async fn keep_leases(backend: &Backend, pending: &Arc<PendingRequests>) {
    let mut gone_since = None;
    loop {
        backend.clock.sleep(TICK).await;
        replace_lost_keeper(backend, &mut gone_since).await;
        if let Err(e) = take_office(backend, pending).await {
            tracing::warn!(error = e.message(), "the keeper of leases could not take office");
            continue;
        }
        if backend.fence.is_up() {
            continue;
        }
        // While the tail check fails, for example because the quorum is away, no lease can be renewed. So no lease may
        // end then: the keeper does not tick, and its next tick extends each lease by the time without ticks.
        if backend.keeper.has_work()
            && let Err(e) = backend.linearize(&backend.gate, &backend.deadlines).await
        {
            tracing::debug!(error = e.message(), "no lease ends before a tail check succeeds");
            continue;
        }
        backend.keeper.end_expired(|office, expired| end_leases(backend, pending, office, expired)).await;
    }
}

/// Proposes to end leases, and waits for the outcomes. Then each lease is gone, or its end will be proposed again.
async fn end_leases(backend: &Backend, pending: &Arc<PendingRequests>, office: LogletId, expired: Vec<i64>) {
    let expire = |id: i64| backend.propose(pending, Command::LeaseExpire { id, office });
    for ended in join_all(expired.into_iter().map(expire)).await {
        match ended {
            Ok(_) => {
                backend.metrics.lease.expired.inc();
            }
            // The lease was revoked in the meantime, or its end will be proposed again.
            Err(e) => tracing::debug!(error = e.message(), "a lease's expiry was not done"),
        }
    }
}

/// Asks for the disk's free space, so that `naxos ctl status` and the refusal of writes use a recent number even while
/// nothing is written.
async fn watch_disk(backend: &Backend) {
    loop {
        backend.look_at_disk().await;
        backend.clock.sleep(DISK_INTERVAL).await;
    }
}

/// Takes note of which nodes are alive, at each change.
async fn watch_nodes(backend: &Backend) {
    let mut nodes = backend.nodes.clone();
    loop {
        let now = nodes.borrow_and_update().clone();
        backend.note_nodes(&now);
        // The sender of the states lives for as long as the node runs. If it is gone, the node is about to stop, and
        // there is nothing left to do here.
        if nodes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Fences this member when most of the members' addresses answer for another log (`docs/protocol.md`, cluster 12): the
/// other members have lost their data and have begun a new cluster while this one was away.
async fn watch_strangers(backend: &Backend) {
    let mut strangers = backend.roster.strangers.clone();
    loop {
        let seen = strangers.borrow_and_update().clone();
        if seen.len() > backend.roster.seats.borrow().len() / 2
            && let Some(log) = seen.values().next()
        {
            backend.fence.raise_for_other_log(*log);
            tracing::error!("{}", backend.fence.problem().unwrap_or_default());
            std::future::pending::<()>().await;
        }
        if strangers.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Looks for a leader once in each election time-out.
async fn watch_leader(backend: &Backend) {
    loop {
        backend.clock.sleep(backend.config.election_timeout).await;
        backend.leadership.look(backend.leader().is_some());
    }
}

async fn compact(backend: &Backend, pending: &Arc<PendingRequests>) {
    match backend.config.auto_compaction {
        AutoCompaction::Off => std::future::pending().await,
        AutoCompaction::Revisions(kept) => loop {
            backend.clock.sleep(REVISIONS_INTERVAL).await;
            let revision = backend.store.read().revision - kept;
            propose_compaction(backend, pending, revision).await;
        },
        AutoCompaction::Periodic(period) => {
            let interval = period.min(PERIOD_INTERVAL_MAX);
            let step = interval / SAMPLES;
            // Pairs of a time and the revision at that time, oldest first.
            let mut samples: Vec<(Instant, i64)> = Vec::new();
            let mut last = backend.clock.now();
            loop {
                samples.push((backend.clock.now(), backend.store.read().revision));
                backend.clock.sleep(step).await;
                let now = backend.clock.now();
                let old = samples.partition_point(|(at, _)| now.since(*at) >= period);
                if old > 0 && now.since(last) >= interval {
                    let revision = samples[old - 1].1;
                    samples.drain(..old);
                    last = now;
                    propose_compaction(backend, pending, revision).await;
                }
            }
        }
    }
}

/// Proposes a compaction that the flags ask for. As in etcd, only one node does so: here the keeper of leases.
async fn propose_compaction(backend: &Backend, pending: &Arc<PendingRequests>, revision: i64) {
    if backend.keeper.office().is_none() {
        return;
    }
    if revision <= backend.store.read().compacted.max(0) {
        return;
    }
    let request = CompactionRequest { revision, physical: false };
    match backend.propose(pending, Command::Compact(request)).await {
        Ok(_) => tracing::info!(revision, "completed auto compaction"),
        Err(e) => tracing::warn!(revision, error = e.message(), "failed auto compaction"),
    }
}
