//! [`Roles`]: what the seats of the members allow the nodes to do.

use std::collections::{BTreeMap, BTreeSet};

use naxos_proto::ids::StorageId;

use super::detector::NodeState;

/// What the seats of the members allow the nodes to do. A node may have an old value, because it learns of a change
/// some time after the change was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// How many units a loglet must have at least: a majority of the MetaStore's voters (`docs/protocol.md`, cluster 16).
    pub units_min: usize,
    /// The voter of the MetaStore, if it has only one. The sequencer stays on that node, because no other node could
    /// install a chain if that node were away (cluster 16).
    pub sole_voter: Option<StorageId>,
    /// The data directories of the learners. They have no unit in a loglet and no sequencer.
    pub learners: BTreeSet<StorageId>,
    /// The data directories that lost their seats.
    pub left: BTreeSet<StorageId>,
}

impl Roles {
    /// The roles in a cluster without learners.
    pub fn with_units_min(units_min: usize) -> Self {
        Self { units_min, ..Self::default() }
    }

    /// The nodes that may have a unit in a loglet.
    pub(super) fn members(&self, nodes: &BTreeMap<StorageId, NodeState>) -> BTreeMap<StorageId, NodeState> {
        nodes.iter().filter(|(node, _)| !self.learners.contains(node)).map(|(node, state)| (*node, *state)).collect()
    }

    /// Whether the unit of `storage` must leave the loglet.
    pub(super) fn has_left(&self, storage: StorageId) -> bool {
        self.left.contains(&storage) || self.learners.contains(&storage)
    }
}
