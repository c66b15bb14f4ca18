//! [`KeepersAgree`]: a loglet has one keeper of leases. If the node of the loglet's sequencer replays the log, that
//! node is the keeper. No node goes back to an earlier keeper.

use std::collections::BTreeMap;

use naxos::node::probe::{Keeper, View};
use naxos_proto::ids::{Incarnation, LogletId, StorageId};
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::role::Role;

/// The keeper under each loglet, and the last loglet under which each process saw a keeper.
#[derive(Debug, Default)]
pub struct KeepersAgree {
    keepers: BTreeMap<LogletId, StorageId>,
    last: BTreeMap<Incarnation, LogletId>,
}

impl KeepersAgree {
    /// Compares the nodes with each other and with everything that was seen before.
    ///
    /// # Errors
    /// If a loglet has two keepers, a keeper is not at the sequencer, or a node went back.
    pub fn look(&mut self, views: &[&View]) -> Result<(), String> {
        // Before the first keeper takes office, the nodes have the default one.
        for view in views.iter().filter(|view| view.keeper != Keeper::default()) {
            let Keeper { loglet, storage } = view.keeper;
            let known = *self.keepers.entry(loglet).or_insert(storage);
            if known != storage {
                return Err(format!("under {loglet:?} both {known:?} and {storage:?} keep the leases"));
            }
            let named = view.chain.1.segments.iter().find(|segment| segment.params.id == loglet);
            let roles = named.and_then(|segment| LogletRoles::of(&segment.params).ok());
            let is_elsewhere = |at: StorageId| at != storage && Role::of(at).has_state();
            if roles.as_ref().is_some_and(|roles| is_elsewhere(roles.sequencer.storage)) {
                return Err(format!(
                    "{storage:?} keeps the leases under {loglet:?}, but the sequencer is on another node: {roles:?}"
                ));
            }
            let last = self.last.entry(view.incarnation).or_insert(loglet);
            if last.ordinal > loglet.ordinal {
                return Err(format!("{:?} went back from the keeper under {last:?} to {loglet:?}", view.incarnation));
            }
            *last = loglet;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::view;
    use super::*;

    #[test]
    fn a_second_keeper_of_a_loglet_and_an_earlier_one_are_found() {
        let keeping = |node: u64, ordinal: u64, storage: u64| {
            let mut view = view(node, ordinal);
            view.keeper = Keeper { loglet: view.chain.1.active().params.id, storage: StorageId(storage) };
            view
        };
        let mut rule = KeepersAgree::default();
        assert_eq!(rule.look(&[&view(1, 1), &keeping(2, 1, 1)]), Ok(()));
        assert!(rule.look(&[&keeping(3, 1, 2)]).is_err(), "a second keeper");
        assert!(KeepersAgree::default().look(&[&keeping(3, 1, 2)]).is_err(), "the sequencer is elsewhere");
        assert_eq!(rule.look(&[&keeping(2, 2, 1)]), Ok(()));
        assert!(rule.look(&[&keeping(2, 1, 1)]).is_err(), "an earlier one");
    }
}
