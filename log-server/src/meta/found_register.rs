//! [`FoundRegister`]: the register as the journal of one replica has it.

use std::collections::BTreeSet;

use bytes::Bytes;
use naxos_proto::ids::{ChainVersion, StorageId};

/// The register as far as one replica knows it, committed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundRegister {
    /// The version of the value. 0 if the register has no value.
    pub version: ChainVersion,
    /// The value. Empty if the register has none.
    pub bytes: Bytes,
    /// Term and index of the last entry. Of two replicas, the one with the higher pair is newer, as in an election of
    /// raft. This holds even if the other one has a higher version, whose entry may have been replaced.
    pub last: (u64, u64),
    /// The replicas that vote. While a change of them is on its way, there are two sets: those that vote before the
    /// change, then those that vote after it. Empty if the register was never initialised here.
    pub voters: Vec<BTreeSet<StorageId>>,
}

impl FoundRegister {
    /// All replicas that vote.
    pub fn all_voters(&self) -> BTreeSet<StorageId> {
        self.voters.iter().flatten().copied().collect()
    }
}
