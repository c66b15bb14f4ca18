//! [`due_change`]: whether the log should be reconfigured, and why. There is no clock or call in here.

use std::collections::BTreeMap;
use std::fmt;

use naxos_proto::ids::StorageId;
use naxos_proto::native_params::NativeParams;

use super::detector::NodeState;

/// Why the log should be reconfigured. The most urgent reason comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DueChange {
    /// The sequencer's process is gone or its disk hangs: nobody can append.
    SequencerLost(StorageId),
    /// A unit of the active loglet is gone or its disk hangs.
    UnitLost(StorageId),
    /// A node is alive whose unit is not in the active loglet.
    UnitMissing(StorageId),
}

impl fmt::Display for DueChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DueChange::SequencerLost(node) => write!(f, "the sequencer on storage {node} is lost"),
            DueChange::UnitLost(node) => write!(f, "storage unit {node} is lost"),
            DueChange::UnitMissing(node) => write!(f, "storage unit {node} can be taken in"),
        }
    }
}

/// The most urgent change of the loglet `active`, if any. `nodes` are the states of all nodes of the cluster. A loglet
/// must have at least `units_min` units.
pub(super) fn due_change(
    active: &NativeParams,
    nodes: &BTreeMap<StorageId, NodeState>,
    units_min: usize,
) -> Option<DueChange> {
    let alive = |node: &StorageId| nodes.get(node).and_then(|state| state.alive());
    if nodes.values().filter_map(|state| state.alive()).count() < units_min {
        // No change would succeed.
        return None;
    }
    if alive(&active.sequencer.storage) != Some(active.sequencer) {
        return Some(DueChange::SequencerLost(active.sequencer.storage));
    }
    if let Some(lost) = active.units.iter().find(|unit| alive(unit).is_none()) {
        return Some(DueChange::UnitLost(*lost));
    }
    let missing = nodes.keys().find(|node| alive(node).is_some() && !active.units.contains(node));
    missing.map(|node| DueChange::UnitMissing(*node))
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Boot, Incarnation};

    use super::*;

    fn incarnation(node: u64, boot: u64) -> Incarnation {
        Incarnation { storage: StorageId(node), boot: Boot(boot) }
    }

    fn alive(nodes: &[u64]) -> BTreeMap<StorageId, NodeState> {
        nodes.iter().map(|node| (StorageId(*node), NodeState::Alive(incarnation(*node, 1)))).collect()
    }

    fn active(units: &[u64]) -> NativeParams {
        let units: Vec<_> = units.iter().map(|unit| StorageId(*unit)).collect();
        NativeParams { sequencer: incarnation(1, 1), write_quorum: 2, units }
    }

    #[test]
    fn a_healthy_log_is_left_alone() {
        assert_eq!(due_change(&active(&[1, 2, 3]), &alive(&[1, 2, 3]), 2), None);
    }

    #[test]
    fn a_lost_sequencer_comes_before_a_lost_unit() {
        let three = active(&[1, 2, 3]);
        let lost = |node| StorageId(node);
        assert_eq!(due_change(&three, &alive(&[2, 3]), 2), Some(DueChange::SequencerLost(lost(1))));
        assert_eq!(due_change(&three, &alive(&[1, 3]), 2), Some(DueChange::UnitLost(lost(2))));
        let mut nodes = alive(&[1, 2, 3]);
        nodes.insert(StorageId(1), NodeState::Alive(incarnation(1, 2)));
        assert_eq!(due_change(&three, &nodes, 2), Some(DueChange::SequencerLost(lost(1))), "it started again");
        nodes.insert(StorageId(1), NodeState::Hung(incarnation(1, 1)));
        assert_eq!(due_change(&three, &nodes, 2), Some(DueChange::SequencerLost(lost(1))), "its disk hangs");
    }

    #[test]
    fn a_node_that_is_back_is_taken_in() {
        assert_eq!(due_change(&active(&[1, 2]), &alive(&[1, 2, 3]), 2), Some(DueChange::UnitMissing(StorageId(3))));
    }

    #[test]
    fn nothing_is_changed_without_enough_units() {
        assert_eq!(due_change(&active(&[1, 2, 3]), &alive(&[2]), 2), None);
        assert_eq!(due_change(&active(&[1, 2, 3]), &alive(&[1]), 2), None);
    }
}
