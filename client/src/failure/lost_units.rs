//! [`lost_units`]: which ended segments name a storage unit that is lost for good, and what should replace it. Nothing here
//! reads a clock or calls another node.

use std::collections::{BTreeMap, BTreeSet};

use naxos_proto::chain::Chain;
use naxos_proto::ids::{LogletId, StorageId};
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::unit_change::UnitChange;

use super::detector::NodeState;
use super::roles::Roles;

/// An ended segment with a lost unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LostUnit {
    /// The segment's loglet.
    pub(super) loglet: LogletId,
    /// The changes that would help, in the order in which they are tried. One of them is enough. Empty if none is
    /// possible now.
    pub(super) changes: Vec<UnitChange>,
}

/// The ended segments of `chain` that name a unit whose data directory has lost its seat or belongs to a learner, oldest
/// first. `nodes` are the states of all nodes of the cluster. A unit that is merely silent is not lost: it comes back with
/// its cells. An open segment is not listed, because a reconfiguration leaves the lost unit out.
///
/// 1. Any member's unit that the segment does not name may replace the lost unit. All such units that are alive are
///    tried, in the order of their ids. So a unit with a full disk does not hold up the change.
/// 2. If the segment names the units of all members, the lost ones are only left out. At least as many units must stay as a new
///    loglet needs: a majority of the voters of the MetaStore. So the log survives as many failures as the MetaStore does.
/// 3. While a node of `nodes` has lost its seat, `nodes` is older than the seats. A member that takes over the seat is
///    not in `nodes` yet, so nothing is left out.
pub(super) fn lost_units(chain: &Chain, nodes: &BTreeMap<StorageId, NodeState>, roles: &Roles) -> Vec<LostUnit> {
    let members = roles.with_units(nodes);
    let is_older = nodes.keys().any(|node| roles.left.contains(node));
    let ended = chain.segments.iter().filter(|segment| segment.end.is_some());
    ended
        .filter_map(|segment| {
            // A loglet without units has none to lose.
            let units: BTreeSet<StorageId> = LogletRoles::of(&segment.params).ok()?.units.into_iter().collect();
            let lost: Vec<StorageId> = units.iter().filter(|unit| roles.has_left(**unit)).copied().collect();
            let from = *lost.first()?;
            let others: Vec<_> = members.iter().filter(|(node, _)| !units.contains(node)).collect();
            let alive = others.iter().filter(|(node, state)| state.alive().is_some() && !roles.has_left(**node));
            let changes = if !others.is_empty() {
                alive.map(|(to, _)| UnitChange::Replace { from, to: **to }).collect()
            } else if is_older || members.is_empty() {
                Vec::new()
            } else {
                vec![UnitChange::LeaveOut { units: lost, units_min: roles.units_min }]
            };
            Some(LostUnit { loglet: segment.params.id, changes })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use naxos_proto::chain::Segment;
    use naxos_proto::ids::{Boot, Incarnation, LogId, Lsn};
    use naxos_proto::native_params::NativeParams;

    use super::*;

    fn process(node: u64) -> Incarnation {
        Incarnation { storage: StorageId(node), boot: Boot(1) }
    }

    fn id(ordinal: u64) -> LogletId {
        LogletId { log: LogId(7), ordinal, nonce: 0 }
    }

    /// A segment on the units 1, 2 and 3 that has ended, and an open one on the same units.
    fn chain() -> Chain {
        let params = |ordinal| {
            let units = [1, 2, 3].map(StorageId).into();
            NativeParams { sequencer: process(1), units, write_quorum: 2 }.encode(id(ordinal))
        };
        let first = Segment { start: Lsn(0), end: None, params: params(1) };
        Chain { log: LogId(7), segments: vec![first] }.extended(Lsn(9), params(2))
    }

    /// Nodes that are alive, and nodes that are silent.
    fn nodes(alive: &[u64], silent: &[u64]) -> BTreeMap<StorageId, NodeState> {
        let alive = alive.iter().map(|node| (StorageId(*node), NodeState::Alive(process(*node))));
        alive.chain(silent.iter().map(|node| (StorageId(*node), NodeState::Silent))).collect()
    }

    fn left(units: &[u64]) -> Roles {
        Roles { left: units.iter().copied().map(StorageId).collect(), ..Roles::with_units_min(2) }
    }

    fn replace(from: u64, to: u64) -> UnitChange {
        UnitChange::Replace { from: StorageId(from), to: StorageId(to) }
    }

    fn changes(nodes: &BTreeMap<StorageId, NodeState>, roles: &Roles) -> Vec<UnitChange> {
        let lost = lost_units(&chain(), nodes, roles);
        assert!(lost.iter().all(|lost| lost.loglet == id(1)), "the open segment is left alone: {lost:?}");
        lost.into_iter().flat_map(|lost| lost.changes).collect()
    }

    #[test]
    fn a_unit_that_is_silent_or_unknown_is_not_lost() {
        assert_eq!(lost_units(&chain(), &nodes(&[1, 2], &[3]), &left(&[])), []);
        assert_eq!(lost_units(&chain(), &nodes(&[1, 2, 4], &[]), &left(&[])), []);
    }

    #[test]
    fn the_unit_that_took_the_seat_replaces_the_lost_one() {
        assert_eq!(changes(&nodes(&[1, 2, 4], &[]), &left(&[3])), [replace(3, 4)]);
        assert_eq!(changes(&nodes(&[1, 4, 5], &[2]), &left(&[3])), [replace(3, 4), replace(3, 5)]);
        let learner = Roles { learners: BTreeSet::from([StorageId(3)]), ..left(&[]) };
        assert_eq!(changes(&nodes(&[1, 2, 3, 4], &[]), &learner), [replace(3, 4)], "a learner holds no log");
    }

    #[test]
    fn a_member_that_is_silent_is_waited_for() {
        assert_eq!(changes(&nodes(&[1, 2], &[4]), &left(&[3])), [], "and nothing is left out meanwhile");
    }

    #[test]
    fn in_a_smaller_cluster_the_lost_unit_is_left_out() {
        let units_min = 2;
        let out =
            |units: &[u64]| UnitChange::LeaveOut { units: units.iter().copied().map(StorageId).collect(), units_min };
        assert_eq!(changes(&nodes(&[1, 2], &[]), &left(&[3])), [out(&[3])]);
        assert_eq!(changes(&nodes(&[1], &[]), &left(&[2, 3])), [out(&[2, 3])]);
    }

    #[test]
    fn nothing_is_left_out_while_the_list_of_nodes_is_older_than_the_seats() {
        assert_eq!(changes(&nodes(&[1, 2, 3], &[]), &left(&[3])), []);
        assert_eq!(changes(&nodes(&[], &[]), &left(&[3])), []);
    }
}
