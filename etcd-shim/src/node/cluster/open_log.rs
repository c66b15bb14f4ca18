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
        let is_our_turn = may_found(&now_alive, nodes.len(), rank_of(own, &nodes), began, clock.now());
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
            let there = alive.borrow().sequencers.len();
            tracing::info!(nodes = nodes.len(), there, %why, "waiting for a majority of the members");
        };
        attempts.pause(TRY_AGAIN, tell).await;
    }
}

/// Whether this node, number `rank` of those alive, may found the log now.
fn may_found(alive: &Liveness, nodes: usize, rank: usize, began: Instant, now: Instant) -> bool {
    let turn = STAGGER * u32::try_from(rank).unwrap_or(u32::MAX);
    let all_are_there = alive.sequencers.len() == nodes;
    let wait = if all_are_there { turn } else { WAIT_FOR_ALL.saturating_add(turn) };
    alive.sequencers.len() >= alive.units_min && now.since(began) >= wait
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Boot, Incarnation};

    use super::*;

    #[test]
    fn the_log_is_founded_by_a_majority_and_normally_by_all_nodes() {
        let process = |n: u64| Incarnation { storage: StorageId(n), boot: Boot(1) };
        let alive = |nodes: u64| Liveness {
            sequencers: (0..nodes).map(process).collect(),
            units: vec![],
            silent: vec![],
            units_min: 2,
        };
        let at = |millis: u64| Instant(millis * 1_000_000);
        assert!(!may_found(&alive(1), 3, 0, at(0), at(60_000)), "one of three is no majority");
        assert!(!may_found(&alive(2), 3, 0, at(0), at(1_999)));
        assert!(may_found(&alive(2), 3, 0, at(0), at(2_000)));
        assert!(may_found(&alive(3), 3, 0, at(0), at(0)));
        assert!(!may_found(&alive(3), 3, 1, at(0), at(499)), "the first node comes first");
        assert!(may_found(&alive(3), 3, 1, at(0), at(500)));
    }
}
