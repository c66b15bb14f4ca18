//! Opens the log of a cluster, or founds it. Waits until a majority of the nodes is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos_client::failure::{NodeState, Reach, Roles, liveness, rank_of};
use naxos_client::{Liveness, LogletError, ReconfigureError, VirtualLog, VirtualLogParts};
use naxos_proto::ids::StorageId;
use naxos_proto::seams::Instant;
use tokio::sync::watch;

use crate::node::attempts::Attempts;

/// The time between two attempts.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// How long the founding of the log waits for nodes beyond a majority.
const WAIT_FOR_ALL: Duration = Duration::from_secs(2);
/// How much longer each further node waits before it founds the log, so that there is normally one founder.
const STAGGER: Duration = Duration::from_millis(500);

/// Opens the log. If there is no chain yet, founds the log. While the other nodes are missing, it tries again, because they
/// may come much later. An error that waiting cannot cure is returned at once.
/// # Cancel safety
/// A dropped call may or may not have founded the log.
pub(in crate::node) async fn open_log(
    parts: VirtualLogParts,
    own: StorageId,
    states: watch::Receiver<BTreeMap<StorageId, NodeState>>,
    alive: &watch::Sender<Liveness>,
    roles: &Roles,
) -> Result<Arc<VirtualLog>, ReconfigureError> {
    let clock = Arc::clone(&parts.clock);
    let began = clock.now();
    let mut attempts = Attempts::new(&*clock);
    loop {
        let nodes = states.borrow().clone();
        let now_alive = liveness(&nodes, None, None, roles, &Reach::default());
        let is_our_turn = may_found(&now_alive, &nodes, rank_of(own, &nodes), began, clock.now());
        alive.send_replace(now_alive);
        let outcome = match VirtualLog::join(parts.clone()).await {
            Err(ReconfigureError::NoChain) if is_our_turn => VirtualLog::found(parts.clone()).await,
            outcome => outcome,
        };
        let why = match outcome {
            Ok(log) => return Ok(log),
            Err(
                error @ (ReconfigureError::Chain(_)
                | ReconfigureError::OtherLog { .. }
                | ReconfigureError::Kind(_)
                | ReconfigureError::Loglet(LogletError::UnknownKind(..))),
            ) => return Err(error),
            Err(error) => error,
        };
        let tell = || {
            let there = nodes.values().filter(|state| state.alive().is_some()).count();
            tracing::info!(nodes = nodes.len(), there, %why, "waiting for a majority of the members");
        };
        attempts.pause(TRY_AGAIN, tell).await;
    }
}

/// Whether this node, number `rank` of those alive, may found the log now. `alive` was made of `nodes`.
fn may_found(
    alive: &Liveness,
    nodes: &BTreeMap<StorageId, NodeState>,
    rank: usize,
    began: Instant,
    now: Instant,
) -> bool {
    let turn = STAGGER * u32::try_from(rank).unwrap_or(u32::MAX);
    let all_are_there = nodes.values().all(|state| state.alive().is_some());
    let wait = if all_are_there { turn } else { WAIT_FOR_ALL.saturating_add(turn) };
    let units = alive.units.iter().filter(|unit| !alive.silent.contains(unit)).count();
    !alive.sequencers.is_empty() && units >= alive.units_min && now.since(began) >= wait
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Boot, Incarnation};
    use naxos_proto::role::Role;
    use naxos_proto::seams::sim::SeededEntropy;

    use super::*;

    #[test]
    fn the_log_is_founded_by_a_majority_and_normally_by_all_nodes() {
        let at = |millis: u64| Instant(millis * 1_000_000);
        let may_found = |there: u64, rank, millis| {
            let nodes = nodes((1..=3).map(StorageId), |storage| storage.0 <= there);
            let alive = liveness(&nodes, None, None, &Roles::with_units_min(2), &Reach::default());
            may_found(&alive, &nodes, rank, at(0), at(millis))
        };
        assert!(!may_found(1, 0, 60_000), "one of three is no majority");
        assert!(!may_found(2, 0, 1_999));
        assert!(may_found(2, 0, 2_000));
        assert!(may_found(3, 0, 0));
        assert!(!may_found(3, 1, 499), "the first node comes first");
        assert!(may_found(3, 1, 500));
    }

    #[test]
    fn only_data_directories_with_units_count_toward_the_majority() {
        let entropy = SeededEntropy::new(1);
        let ids = [Role::LogServer, Role::LogServer, Role::LogServer, Role::Sequencer, Role::FrontEnd, Role::FrontEnd];
        let ids = ids.map(|role| role.draw(&entropy));
        let may_found = |there: &[usize]| {
            let nodes = nodes(ids, |storage| there.iter().any(|at| ids[*at] == storage));
            let alive = liveness(&nodes, None, None, &Roles::with_units_min(2), &Reach::default());
            assert!(alive.units.iter().all(|unit| Role::of(*unit).has_unit()));
            assert!(alive.sequencers.iter().all(|process| Role::of(process.storage).has_sequencer()));
            may_found(&alive, &nodes, 0, Instant(0), Instant(60_000_000_000))
        };
        assert!(may_found(&[0, 1, 3]));
        assert!(!may_found(&[0, 1, 4, 5]), "there is no sequencer");
        assert!(!may_found(&[0, 3, 4, 5]), "one of three units is no majority");
    }

    fn nodes(
        ids: impl IntoIterator<Item = StorageId>,
        is_alive: impl Fn(StorageId) -> bool,
    ) -> BTreeMap<StorageId, NodeState> {
        let process = |storage| Incarnation { storage, boot: Boot(1) };
        let state = |one| if is_alive(one) { NodeState::Alive(process(one)) } else { NodeState::Silent };
        ids.into_iter().map(|one| (one, state(one))).collect()
    }
}
