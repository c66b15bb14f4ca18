//! The version of the cluster: this node announces what it understands, proposes the next version when all members
//! understand it, and writes an agreed version down in its data directory (`docs/adr/0009-cluster-version.md`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos_proto::ids::{Incarnation, MemberId, StorageId};
use naxos_proto::release::ClusterVersion;
use naxos_proto::role::Role;
use tonic::Status;

use crate::backend::{Backend, PendingRequests};
use crate::state::{Announced, Command};

/// The longest time between two checks whether the version can rise.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Announces, in the log, which version this process understands. Every start does this before it serves: a node that went
/// back to an older program must have said so before the version can rise.
pub(super) async fn announce(backend: &Backend, pending: &Arc<PendingRequests>) -> Result<(), Status> {
    let announced = Announced { by: backend.incarnation, version: ClusterVersion::NEWEST };
    let member = MemberId(backend.member_id);
    backend.propose(pending, Command::Announce { member, announced }).await.map(drop)
}

/// Works until it is dropped.
pub(super) async fn agree(backend: &Backend, pending: &Arc<PendingRequests>) {
    let mut version = backend.store.version();
    loop {
        let agreed = *version.borrow_and_update();
        // Only what is written down protects the directory from an older program.
        if let Err(error) = backend.unit.raise_cluster_version(agreed).await {
            tracing::warn!(%error, version = agreed.0, "the cluster's version cannot be written down; trying again");
        }
        // It is enough if one node does the rest. This is the keeper of leases, as for automatic compaction.
        if backend.keeper.office().is_some() {
            announce_for_parts(backend, pending).await;
            raise(backend, pending).await;
        }
        tokio::select! {
            biased;
            Ok(()) = version.changed() => tracing::info!(version = version.borrow().0, "the cluster has a new version"),
            () = backend.clock.sleep(LOOK_EVERY) => {}
        }
    }
}

/// Proposes the version to which the cluster can rise now, if there is one.
async fn raise(backend: &Backend, pending: &Arc<PendingRequests>) {
    let Some(next) = due(backend) else { return };
    match backend.propose(pending, Command::RaiseVersion(next)).await {
        Ok(_) => tracing::info!(version = next.0, "proposed a new version of the cluster"),
        Err(error) => tracing::warn!(error = error.message(), "the cluster's version did not rise"),
    }
}

/// Announces for each log server and sequencer which version its process understands. The process has told it in a
/// heartbeat. The process cannot announce it itself, because it proposes nothing.
async fn announce_for_parts(backend: &Backend, pending: &Arc<PendingRequests>) {
    let seats = backend.roster.seats.borrow().clone();
    for (member, storage) in seats.into_iter().filter(|(_, storage)| !Role::of(*storage).has_state()) {
        let Some(beat) = (backend.roster.heard)(storage) else { continue };
        let announced = Announced { by: beat.from, version: beat.understood };
        if backend.store.read().versions.announced(member.0) == Some(announced) {
            continue;
        }
        if let Err(error) = backend.propose(pending, Command::Announce { member, announced }).await {
            tracing::debug!(error = error.message(), member_id = %member, "a member's version is not announced yet");
        }
    }
}

/// The version to which the cluster can rise now.
fn due(backend: &Backend) -> Option<ClusterVersion> {
    let seats = backend.roster.seats.borrow().clone();
    let alive = |storage: StorageId| backend.nodes.borrow().get(&storage).and_then(|state| state.alive());
    let store = backend.store.read();
    let members: Vec<u64> = store.members.keys().copied().collect();
    let next = store.versions.common(members.iter().copied());
    let announced = members.iter().map(|id| (*id, store.versions.announced(*id))).collect();
    (next > store.versions.cluster() && all_run_what_they_announced(&announced, &seats, alive)).then_some(next)
}

/// Whether the process that runs for each member is the one that has announced. A member that is away may come back with
/// an older program, and one that came back may not have announced yet.
fn all_run_what_they_announced(
    announced: &BTreeMap<u64, Option<Announced>>,
    seats: &BTreeMap<MemberId, StorageId>,
    alive: impl Fn(StorageId) -> Option<Incarnation>,
) -> bool {
    announced.iter().all(|(member, announced)| {
        let runs = seats.get(&MemberId(*member)).and_then(|storage| alive(*storage));
        runs.is_some() && runs == announced.map(|one| one.by)
    })
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::Boot;

    use super::*;

    #[test]
    fn the_version_rises_only_while_each_member_runs_the_process_that_announced() {
        let process = |boot| Incarnation { storage: StorageId(5), boot: Boot(boot) };
        let told = |boot| Some(Announced { by: process(boot), version: ClusterVersion(2) });
        let seats = BTreeMap::from([(MemberId(1), StorageId(5))]);
        let rises = |announced, seats, runs: Option<Incarnation>| {
            all_run_what_they_announced(&BTreeMap::from([(1, announced)]), seats, |_| runs)
        };
        assert!(rises(told(7), &seats, Some(process(7))));
        assert!(!rises(told(7), &seats, None), "the member is away");
        assert!(!rises(told(7), &seats, Some(process(8))), "it came back and has not announced yet");
        assert!(!rises(None, &seats, Some(process(7))), "it has never announced");
        assert!(!rises(told(7), &BTreeMap::new(), Some(process(7))), "it has no seat");
    }
}
