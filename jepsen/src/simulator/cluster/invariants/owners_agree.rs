//! [`OwnersAgree`]: a loglet has the same sequencer on all units and for its whole life (safety rule 4).

use std::collections::BTreeMap;

use naxos::node::probe::View;
use naxos_proto::ids::{Incarnation, LogletId};
use naxos_proto::loglet_roles::LogletRoles;

/// The sequencer of each loglet.
#[derive(Debug, Default)]
pub struct OwnersAgree(BTreeMap<LogletId, Incarnation>);

impl OwnersAgree {
    /// Compares what the units and the chains say.
    ///
    /// # Errors
    /// If a loglet has two sequencers.
    pub fn look(&mut self, views: &[&View]) -> Result<(), String> {
        for view in views {
            let params = view.chain.1.segments.iter().map(|segment| &segment.params);
            let named = params.filter_map(|params| Some((params.id, LogletRoles::of(params).ok()?.sequencer)));
            for (loglet, owner) in view.owners.iter().copied().chain(named) {
                let known = *self.0.entry(loglet).or_insert(owner);
                if known != owner {
                    let node = view.incarnation;
                    return Err(format!("{loglet:?} belongs to {owner:?} on {node:?}, and to {known:?}"));
                }
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
    fn a_unit_that_takes_stores_of_another_sequencer_is_found() {
        let mut rule = OwnersAgree::default();
        let mut node = view(2, 1);
        let (loglet, owner) = (node.chain.1.active().params.id, view(1, 1).incarnation);
        node.owners = vec![(loglet, owner)];
        assert_eq!(rule.look(&[&node]), Ok(()));
        node.owners[0].1.boot.0 += 1;
        assert!(rule.look(&[&node]).is_err());
    }
}
