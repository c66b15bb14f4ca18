//! The rules that are checked after each step of the simulation, by a look into all nodes that run.
//!
//! - [`ReplicasAgree`]: all nodes have the same state at the same position
//! - [`ChainsAgree`]: a version of the chain is the same for all nodes, and no node goes back to an older version
//! - [`TailsHold`]: what a unit calls known to be on a write quorum is on one; a unit forgets nothing within a boot

mod chains_agree;
mod replicas_agree;
mod tails_hold;

use naxos::node::probe::View;
use naxos_proto::chain::LogletKind;

pub use chains_agree::ChainsAgree;
pub use replicas_agree::ReplicasAgree;
pub use tails_hold::TailsHold;

/// All rules.
#[derive(Debug, Default)]
pub struct Invariants {
    replicas: ReplicasAgree,
    chains: ChainsAgree,
    tails: TailsHold,
}

impl Invariants {
    /// How many versions of the chain were seen.
    pub fn chain_versions(&self) -> usize {
        self.chains.versions()
    }

    /// Whether the log moved from a loglet of `from` to one of `to`.
    pub fn went(&self, from: LogletKind, to: LogletKind) -> bool {
        self.chains.went(from, to)
    }

    /// Looks at the nodes. A node that is down or that starts has no view.
    ///
    /// # Errors
    /// A text that says which rule is broken, and how.
    pub fn look(&mut self, views: &[Option<View>]) -> Result<(), String> {
        let seen: Vec<&View> = views.iter().flatten().collect();
        self.replicas.look(&seen)?;
        self.chains.look(&seen)?;
        self.tails.look(&seen)
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::chain::{Chain, Segment};
    use naxos_proto::contracts::StartMark;
    use naxos_proto::ids::{Boot, ChainVersion, Incarnation, LogId, LogletId, Lsn, StorageId};
    use naxos_proto::native_params::NativeParams;

    use super::*;

    /// A node of a cluster with the units 1, 2 and 3 whose active loglet has this ordinal.
    pub(super) fn view(storage: u64, ordinal: u64) -> View {
        let id = LogletId { log: LogId(7), ordinal, nonce: 0 };
        let incarnation = Incarnation { storage: StorageId(storage), boot: Boot(1) };
        let units = vec![StorageId(1), StorageId(2), StorageId(3)];
        let sequencer = Incarnation { storage: StorageId(1), boot: Boot(1) };
        let params = NativeParams { sequencer, units, write_quorum: 2 }.encode(id);
        let segments = vec![Segment { start: Lsn(0), end: None, params }];
        let chain = (ChainVersion(3), Chain { log: LogId(7), segments });
        let start = StartMark { boot: incarnation.boot, nonce: 1 };
        View { incarnation, start, starts: vec![], applied: Lsn(4), checksum: 11, chain, tail: None, sealed: vec![] }
    }
}
