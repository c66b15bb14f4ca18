//! [`Roles`]: what the seats of the members allow the nodes to do.

use std::collections::{BTreeMap, BTreeSet};

use naxos_proto::ids::StorageId;
use naxos_proto::role::Role;

use super::detector::NodeState;

/// What the seats of the members allow the nodes to do. A node may have an old value, because it learns of a change
/// some time after the change was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// How many units a loglet must have at least: a majority of the MetaStore's voters (`docs/protocol.md`, cluster 16).
    pub units_min: usize,
    /// The voter of the MetaStore, if there is only one. Only that node may have the sequencer: if that node is away, no
    /// other node can install a chain (cluster 16).
    pub sole_voter: Option<StorageId>,
    /// The data directories of the learners. A learner has no unit in a loglet and no sequencer.
    pub learners: BTreeSet<StorageId>,
    /// The data directories that have lost their seats.
    pub left: BTreeSet<StorageId>,
}

impl Roles {
    /// The roles in a cluster without learners.
    pub fn with_units_min(units_min: usize) -> Self {
        Self { units_min, ..Self::default() }
    }

    /// Those of [`Self::members`] on which there are storage units. Loglets may have units there.
    pub(super) fn with_units(&self, nodes: &BTreeMap<StorageId, NodeState>) -> BTreeMap<StorageId, NodeState> {
        let mut members = self.members(nodes);
        members.retain(|node, _| Role::of(*node).has_unit());
        members
    }

    /// Those of `nodes` whose members are not learners, with their states.
    pub(super) fn members(&self, nodes: &BTreeMap<StorageId, NodeState>) -> BTreeMap<StorageId, NodeState> {
        nodes.iter().filter(|(node, _)| !self.learners.contains(node)).map(|(node, state)| (*node, *state)).collect()
    }

    /// Whether `storage` has lost its seat or belongs to a learner. Then its unit must leave the loglet.
    pub(super) fn has_left(&self, storage: StorageId) -> bool {
        self.left.contains(&storage) || self.learners.contains(&storage)
    }
}
