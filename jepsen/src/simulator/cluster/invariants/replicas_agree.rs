//! [`ReplicasAgree`]: all nodes have the same state at the same position (safety rule 9).

use std::collections::BTreeMap;

use naxos::node::probe::View;
use naxos_proto::role::Role;

/// For each position, the checksum of the state of the first node that was seen there. Two nodes that applied
/// different entries at one position differ in their checksums, so this also checks that a position has only one entry.
#[derive(Debug, Default)]
pub struct ReplicasAgree(BTreeMap<u64, u64>);

impl ReplicasAgree {
    /// Compares the nodes with each other and with everything that was seen before.
    ///
    /// # Errors
    /// If two nodes differ.
    pub fn look(&mut self, views: &[&View]) -> Result<(), String> {
        // A log server or a sequencer has no state.
        for view in views.iter().filter(|view| Role::of(view.incarnation.storage).has_state()) {
            let at = view.applied.0;
            let known = *self.0.entry(at).or_insert(view.checksum);
            if known != view.checksum {
                let node = view.incarnation;
                return Err(format!(
                    "at position {at} node {node:?} has the checksum {:016x}, but {known:016x} was seen there before",
                    view.checksum
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::view;
    use super::*;

    #[test]
    fn two_states_at_one_position_are_found() {
        let mut rule = ReplicasAgree::default();
        let (a, mut b) = (view(1, 1), view(2, 1));
        assert_eq!(rule.look(&[&a, &b]), Ok(()));
        b.checksum += 1;
        assert!(rule.look(&[&b]).is_err(), "it differs from what another node had earlier");
        b.applied = b.applied.next();
        assert_eq!(rule.look(&[&a, &b]), Ok(()));
    }
}
