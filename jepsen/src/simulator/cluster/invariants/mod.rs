//! The rules that are checked after each step of the simulation, by a look into all nodes that run.
//!
//! - [`ReplicasAgree`]: all nodes have the same state at the same position
//! - [`ChainsAgree`]: a version of the chain is the same for all nodes, and no node goes back to an older version
//! - [`TailsHold`]: the cells that a unit reports to be on a write quorum are on a write quorum; a unit forgets nothing
//! - [`CellsAgree`]: an offset holds the same on all units
//! - [`GrantsHold`]: an offset is given out once, by the sequencer that the chain names
//! - [`OwnersAgree`]: a loglet has the same sequencer on all units and for its whole life
//! - [`SettledIsHeld`]: what was applied is on enough units
//! - [`TrimIsSafe`]: the log is trimmed no further than the state is durable everywhere
//! - [`KeepersAgree`]: a loglet has one keeper of leases
//! - [`FollowersArrive`]: without faults, what one node has applied soon reaches all nodes and the followers of the log there
//! - [`QueuesAreBounded`]: no queue is longer than its bound

mod cells_agree;
mod chains_agree;
mod followers_arrive;
mod grants_hold;
mod keepers_agree;
mod owners_agree;
mod queues_are_bounded;
mod replicas_agree;
mod settled_is_held;
mod tails_hold;
mod trim_is_safe;

use naxos::node::probe::{FreshCell, View};
use naxos_proto::chain::LogletKind;

pub use cells_agree::CellsAgree;
pub use chains_agree::ChainsAgree;
pub use followers_arrive::FollowersArrive;
pub use grants_hold::GrantsHold;
pub use keepers_agree::KeepersAgree;
pub use owners_agree::OwnersAgree;
pub use queues_are_bounded::QueuesAreBounded;
pub use replicas_agree::ReplicasAgree;
pub use settled_is_held::SettledIsHeld;
pub use tails_hold::TailsHold;
pub use trim_is_safe::TrimIsSafe;

/// All rules.
#[derive(Debug, Default)]
pub struct Invariants {
    replicas: ReplicasAgree,
    chains: ChainsAgree,
    tails: TailsHold,
    cells: CellsAgree,
    grants: GrantsHold,
    owners: OwnersAgree,
    settled: SettledIsHeld,
    trim: TrimIsSafe,
    keepers: KeepersAgree,
    queues: QueuesAreBounded,
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

    /// Looks at the nodes, and at the cells that their units have got since the last look. A node that is down or that starts
    /// has no view.
    ///
    /// # Errors
    /// A text that says which rule is broken, and how.
    pub fn look(&mut self, views: &[Option<View>], fresh: &[FreshCell]) -> Result<(), String> {
        let seen: Vec<&View> = views.iter().flatten().collect();
        let are_all = seen.len() == views.len();
        self.replicas.look(&seen)?;
        self.chains.look(&seen)?;
        let newest = self.chains.newest();
        self.tails.look(&seen, newest.map(|(_, chain)| chain))?;
        self.cells.look(fresh)?;
        self.grants.look(&seen)?;
        self.owners.look(&seen)?;
        self.settled.look(&seen, are_all, newest)?;
        self.trim.look(&seen, are_all)?;
        self.keepers.look(&seen)?;
        self.queues.look(&seen)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use naxos::node::probe::Keeper;
    use naxos_proto::chain::{Chain, Segment};
    use naxos_proto::contracts::StartMark;
    use naxos_proto::ids::{Boot, ChainVersion, Incarnation, LogId, LogletId, Lsn, StorageId};
    use naxos_proto::native_params::NativeParams;

    use super::*;

    /// The newest chain of these nodes.
    pub(super) fn newest<'a>(views: &[&'a View]) -> Option<(ChainVersion, &'a Chain)> {
        views.iter().map(|view| (view.chain.0, &view.chain.1)).max_by_key(|(version, _)| *version)
    }

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
        View {
            incarnation,
            start,
            starts: vec![],
            applied: Lsn(4),
            checksum: 11,
            chain,
            tail: None,
            sealed: vec![],
            dropped: vec![],
            owners: vec![],
            granted: vec![],
            persisted: Lsn(4),
            view: vec![],
            ejections: 0,
            trim_point: Lsn(0),
            voters: BTreeSet::new(),
            keeper: Keeper::default(),
            queues: vec![],
        }
    }
}
