//! [`Reach`]: how many others each node hears.

use std::collections::BTreeMap;

use naxos_proto::ids::StorageId;

/// How many other nodes each node hears, as the nodes tell. When the network is cut between some of them only, the node
/// that hears the most is the one through which the others can still work together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach(BTreeMap<StorageId, usize>);

impl Reach {
    /// From pairs of a node and the number of others that it hears.
    pub fn new(heard: impl IntoIterator<Item = (StorageId, usize)>) -> Self {
        Self(heard.into_iter().collect())
    }

    /// How many other nodes `node` hears. 0 if that is not known.
    pub fn of(&self, node: StorageId) -> usize {
        self.0.get(&node).copied().unwrap_or(0)
    }

    /// Whether `node` hears more than each of `others`.
    pub fn is_best(&self, node: StorageId, others: impl IntoIterator<Item = StorageId>) -> bool {
        others.into_iter().filter(|other| *other != node).all(|other| self.of(other) < self.of(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_between_two_that_do_not_hear_each_other_is_the_best() {
        let nodes = [1, 2, 3].map(StorageId);
        let bridge = Reach::new(nodes.into_iter().zip([1, 2, 1]));
        assert!(bridge.is_best(StorageId(2), nodes) && !bridge.is_best(StorageId(1), nodes));
        let healthy = Reach::new(nodes.into_iter().zip([2, 2, 2]));
        assert!(!healthy.is_best(StorageId(2), nodes), "all of them are equally good");
        assert_eq!(healthy.of(StorageId(4)), 0);
    }
}
