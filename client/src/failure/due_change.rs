//! [`due_change`]: whether the log should be reconfigured, and why. Nothing here reads a clock or calls another node.

use std::collections::BTreeMap;
use std::fmt;

use naxos_proto::ids::StorageId;
use naxos_proto::loglet_roles::LogletRoles;

use super::detector::NodeState;
use super::reach::Reach;
use super::roles::Roles;

/// Why the log should be reconfigured. The most urgent reason comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DueChange {
    /// The sequencer's process is gone or its disk hangs: nobody can append.
    SequencerLost(StorageId),
    /// So few units of the active loglet are alive that nothing can be appended.
    QuorumLost,
    /// The active loglet has a unit that lost its seat in the cluster, or whose member is a learner.
    UnitLeft(StorageId),
    /// A node whose unit is not in the active loglet is alive.
    UnitMissing(StorageId),
    /// The sequencer is on the node that leads the MetaStore. If that node fails, the MetaStore has to elect a leader
    /// first, and the log can be reconfigured only after that. To prevent this, that node lets another node lead the
    /// MetaStore. The log is reconfigured only if no other node takes over the lead.
    OneNodeLeadsBoth(StorageId),
}

impl fmt::Display for DueChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DueChange::SequencerLost(node) => write!(f, "the sequencer on storage {node} is lost"),
            DueChange::QuorumLost => write!(f, "too few storage units of the active loglet are alive"),
            DueChange::UnitLeft(node) => write!(f, "storage unit {node} has lost its seat, or its member is a learner"),
            DueChange::UnitMissing(node) => write!(f, "storage unit {node} can be taken in"),
            DueChange::OneNodeLeadsBoth(node) => write!(f, "storage {node} has the sequencer and leads the MetaStore"),
        }
    }
}

impl DueChange {
    /// Whether the change should not wait long: until it is made, nobody can append, or the log depends on a unit that
    /// has left. In the second case, the loss of one more unit may leave too few of the members' units.
    pub(super) fn is_urgent(self) -> bool {
        matches!(self, DueChange::SequencerLost(_) | DueChange::QuorumLost | DueChange::UnitLeft(_))
    }
}

/// The most urgent change of the loglet `active`, if any. `nodes` are the states of all nodes of the cluster,
/// `meta_leader` leads the MetaStore, and `reach` says how many others each node hears.
///
/// A unit that is silent stays in a native loglet (`docs/adr/0005`). An append needs only a write quorum of the units, and
/// the unit catches up when it is back. An append to a Corfu loglet needs every unit. So a Corfu loglet is left as soon
/// as one of its units is silent.
pub(super) fn due_change(
    active: &LogletRoles,
    nodes: &BTreeMap<StorageId, NodeState>,
    meta_leader: Option<StorageId>,
    roles: &Roles,
    reach: &Reach,
) -> Option<DueChange> {
    let nodes = roles.members(nodes);
    let units = roles.with_units(&nodes);
    let alive = |node: &StorageId| nodes.get(node).and_then(|state| state.alive());
    let count = units.values().filter_map(|state| state.alive()).count();
    if count < roles.units_min {
        // No change would succeed.
        return None;
    }
    let sequencer = active.sequencer.storage;
    if !nodes.contains_key(&sequencer) && !roles.has_left(sequencer) {
        // The sequencer's node joined the cluster while this node was away. This node will learn of it from the log.
        return None;
    }
    if alive(&sequencer) != Some(active.sequencer) {
        return Some(DueChange::SequencerLost(sequencer));
    }
    // A unit that this node does not know yet may be alive, too.
    let may_answer =
        |unit: &&StorageId| alive(unit).is_some() || (!nodes.contains_key(unit) && !roles.has_left(**unit));
    if active.units.iter().filter(may_answer).count() < active.write_quorum {
        return Some(DueChange::QuorumLost);
    }
    if let Some(unit) = active.units.iter().find(|unit| roles.has_left(**unit)) {
        return Some(DueChange::UnitLeft(*unit));
    }
    let missing = units.keys().find(|node| alive(node).is_some() && !active.units.contains(node));
    // If the sequencer's node hears more others than any other node does, neither the sequencer nor the lead of the
    // MetaStore is better on another node.
    let is_best = reach.is_best(sequencer, nodes.keys().copied());
    let leads_both = meta_leader == Some(sequencer) && count > 1 && roles.sole_voter.is_none() && !is_best;
    match missing {
        Some(node) => Some(DueChange::UnitMissing(*node)),
        None => leads_both.then_some(DueChange::OneNodeLeadsBoth(active.sequencer.storage)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use naxos_proto::ids::{Boot, Incarnation};

    use super::*;

    fn incarnation(node: u64, boot: u64) -> Incarnation {
        Incarnation { storage: StorageId(node), boot: Boot(boot) }
    }

    /// Three nodes, of which these are alive.
    fn alive(alive: &[u64]) -> BTreeMap<StorageId, NodeState> {
        let state =
            |node| if alive.contains(&node) { NodeState::Alive(incarnation(node, 1)) } else { NodeState::Silent };
        (1..=3).map(|node| (StorageId(node), state(node))).collect()
    }

    fn active(units: &[u64]) -> LogletRoles {
        let units: Vec<_> = units.iter().map(|unit| StorageId(*unit)).collect();
        LogletRoles { sequencer: incarnation(1, 1), write_quorum: 2, units }
    }

    /// [`due_change`] while each node hears all others.
    fn due(
        active: &LogletRoles,
        nodes: &BTreeMap<StorageId, NodeState>,
        meta_leader: Option<StorageId>,
        roles: &Roles,
    ) -> Option<DueChange> {
        let reach = Reach::new((1..=3).map(|node| (StorageId(node), 2)));
        due_change(active, nodes, meta_leader, roles, &reach)
    }

    fn roles(units_min: usize) -> Roles {
        Roles::with_units_min(units_min)
    }

    #[test]
    fn a_healthy_log_is_left_alone() {
        assert_eq!(due(&active(&[1, 2, 3]), &alive(&[1, 2, 3]), Some(StorageId(2)), &roles(2)), None);
    }

    #[test]
    fn a_unit_that_is_silent_stays() {
        assert_eq!(due(&active(&[1, 2, 3]), &alive(&[1, 3]), None, &roles(2)), None);
        let without_quorum = due(&active(&[1, 2]), &alive(&[1, 3]), None, &roles(2));
        assert_eq!(without_quorum, Some(DueChange::QuorumLost), "one of its two units is alive");
    }

    #[test]
    fn a_loglet_that_needs_all_its_units_is_left_when_one_is_silent() {
        let corfu = LogletRoles { write_quorum: 3, ..active(&[1, 2, 3]) };
        assert_eq!(due(&corfu, &alive(&[1, 2, 3]), None, &roles(2)), None);
        assert_eq!(due(&corfu, &alive(&[1, 2]), None, &roles(2)), Some(DueChange::QuorumLost));
    }

    #[test]
    fn one_node_should_not_have_the_sequencer_and_lead_the_metastore() {
        let both = Some(DueChange::OneNodeLeadsBoth(StorageId(1)));
        assert_eq!(due(&active(&[1, 2, 3]), &alive(&[1, 2, 3]), Some(StorageId(1)), &roles(2)), both);
        let alone = LogletRoles { write_quorum: 1, ..active(&[1]) };
        assert_eq!(due(&alone, &alive(&[1]), Some(StorageId(1)), &roles(1)), None, "there is no other node");
    }

    #[test]
    fn a_node_that_hears_more_than_the_others_may_have_both() {
        let reach = Reach::new([1, 2, 3].map(StorageId).into_iter().zip([2, 1, 1]));
        let three = active(&[1, 2, 3]);
        let due = due_change(&three, &alive(&[1, 2, 3]), Some(StorageId(1)), &roles(2), &reach);
        assert_eq!(due, None, "nodes 2 and 3 do not hear each other");
    }

    #[test]
    fn a_sequencer_is_lost_when_its_process_is() {
        let three = active(&[1, 2, 3]);
        let lost = Some(DueChange::SequencerLost(StorageId(1)));
        assert_eq!(due(&three, &alive(&[2, 3]), None, &roles(2)), lost);
        let mut nodes = alive(&[1, 2, 3]);
        nodes.insert(StorageId(1), NodeState::Alive(incarnation(1, 2)));
        assert_eq!(due(&three, &nodes, None, &roles(2)), lost, "it started again");
        nodes.insert(StorageId(1), NodeState::Hung(incarnation(1, 1)));
        assert_eq!(due(&three, &nodes, None, &roles(2)), lost, "its disk hangs");
    }

    #[test]
    fn a_node_that_is_back_is_taken_in() {
        let missing = due(&active(&[1, 2]), &alive(&[1, 2, 3]), None, &roles(2));
        assert_eq!(missing, Some(DueChange::UnitMissing(StorageId(3))));
    }

    #[test]
    fn nothing_is_changed_without_enough_units() {
        assert_eq!(due(&active(&[1, 2, 3]), &alive(&[2]), None, &roles(2)), None);
        assert_eq!(due(&active(&[1, 2, 3]), &alive(&[1]), None, &roles(2)), None);
    }

    #[test]
    fn the_unit_of_a_removed_member_is_left_out() {
        let left = Roles { left: BTreeSet::from([StorageId(3)]), ..roles(2) };
        let due = |sequencer: u64| {
            let active = LogletRoles { sequencer: incarnation(sequencer, 1), ..active(&[1, 2, 3]) };
            due(&active, &alive(&[1, 2]), None, &left)
        };
        assert_eq!(due(1), Some(DueChange::UnitLeft(StorageId(3))));
        assert_eq!(due(3), Some(DueChange::SequencerLost(StorageId(3))), "its sequencer is left out at once");
    }

    #[test]
    fn a_learner_is_not_taken_in() {
        let learners = Roles { learners: BTreeSet::from([StorageId(3)]), ..roles(1) };
        assert_eq!(due(&active(&[1, 2]), &alive(&[1, 2, 3]), None, &learners), None);
    }

    #[test]
    fn a_sequencer_that_this_node_does_not_know_yet_is_not_lost() {
        let unknown = LogletRoles { sequencer: incarnation(4, 1), ..active(&[1, 2, 4]) };
        assert_eq!(due(&unknown, &alive(&[1, 2]), None, &roles(2)), None);
    }

    #[test]
    fn a_unit_that_this_node_does_not_know_yet_is_not_lost() {
        let corfu = LogletRoles { write_quorum: 3, ..active(&[1, 2, 4]) };
        assert_eq!(due(&corfu, &alive(&[1, 2]), None, &roles(2)), None);
        let left = Roles { left: BTreeSet::from([StorageId(4)]), ..roles(2) };
        assert_eq!(due(&corfu, &alive(&[1, 2]), None, &left), Some(DueChange::QuorumLost));
    }

    #[test]
    fn cluster_16_one_voter_keeps_sequencer_and_register() {
        let one = Roles { sole_voter: Some(StorageId(1)), ..roles(1) };
        assert_eq!(due(&active(&[1, 2]), &alive(&[1, 2]), Some(StorageId(1)), &one), None);
    }
}
