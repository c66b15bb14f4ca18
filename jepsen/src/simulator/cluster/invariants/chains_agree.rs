//! [`ChainsAgree`]: a version of the chain is the same for all nodes, and no process goes back to an older version.

use std::collections::BTreeMap;

use naxos::node::probe::View;
use naxos_proto::chain::{Chain, LogletKind, Segment};
use naxos_proto::ids::{ChainVersion, Incarnation};

/// The chains that were seen, and the newest version of each process.
#[derive(Debug, Default)]
pub struct ChainsAgree {
    chains: BTreeMap<ChainVersion, Chain>,
    newest: BTreeMap<Incarnation, ChainVersion>,
}

impl ChainsAgree {
    /// The newest chain that was seen.
    pub fn newest(&self) -> Option<(ChainVersion, &Chain)> {
        self.chains.last_key_value().map(|(version, chain)| (*version, chain))
    }

    /// How many versions of the chain were seen.
    pub fn versions(&self) -> usize {
        self.chains.len()
    }

    /// Whether the log moved from a loglet of `from` to one of `to`.
    pub fn went(&self, from: LogletKind, to: LogletKind) -> bool {
        let is_move = |pair: &[Segment]| pair[0].params.kind == from && pair[1].params.kind == to;
        self.chains.values().any(|chain| chain.segments.windows(2).any(is_move))
    }

    /// Compares the nodes with each other and with everything that was seen before.
    ///
    /// # Errors
    /// If two nodes differ, or a process went back.
    pub fn look(&mut self, views: &[&View]) -> Result<(), String> {
        for View { incarnation, chain: (version, chain), .. } in views {
            let known = self.chains.entry(*version).or_insert_with(|| chain.clone());
            if known != chain {
                return Err(format!("version {} of the chain is {known:?} and {chain:?}", version.0));
            }
            let newest = self.newest.entry(*incarnation).or_insert(*version);
            if *newest > *version {
                return Err(format!("node {incarnation:?} went back from chain {} to {}", newest.0, version.0));
            }
            *newest = *version;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::view;
    use super::*;

    #[test]
    fn two_chains_of_one_version_and_an_older_version_are_found() {
        let mut rule = ChainsAgree::default();
        let (a, mut b) = (view(1, 1), view(2, 1));
        assert_eq!(rule.look(&[&a, &b]), Ok(()));
        b.chain.1 = view(2, 2).chain.1;
        assert!(rule.look(&[&b]).is_err(), "another chain of the same version");
        b.chain.0 = ChainVersion(b.chain.0.0 + 1);
        assert_eq!(rule.look(&[&b]), Ok(()));
        assert!(rule.look(&[&view(2, 1)]).is_err(), "an older version");
    }
}
