//! [`MetaConfig`]: the settings of a MetaStore replica.

use std::time::Duration;

use naxos_proto::ids::StorageId;

/// The settings of a replica. When the leader fails, the next election starts after `election_max` plus a random time
/// from `election_min` to `election_max`.
#[derive(Clone, Debug)]
pub struct MetaConfig {
    /// The replicas that vote from the register's very first start on. Empty on a replica that joins later.
    pub voters: Vec<StorageId>,
    /// Time between two heartbeats of the leader. Must be longer than the slowest sync of a follower.
    pub heartbeat: Duration,
    /// Lower limit of the random part of the time before an election. Must be above `heartbeat`.
    pub election_min: Duration,
    /// Upper limit of that random part. Must be above `election_min`.
    pub election_max: Duration,
    /// How long a call is tried before it fails.
    pub deadline: Duration,
    /// Length limit of the register's value in bytes.
    pub value_bytes_max: usize,
    /// A snapshot is made after this many entries.
    pub snapshot_entries: u64,
}

impl MetaConfig {
    /// The settings of a register whose only voter is `storage`.
    pub fn alone(storage: StorageId) -> Self {
        Self {
            voters: vec![storage],
            // openraft gives up a message after this time, so it must be above the round trip between distant members.
            heartbeat: Duration::from_millis(150),
            election_min: Duration::from_millis(200),
            election_max: Duration::from_millis(400),
            deadline: Duration::from_secs(5),
            value_bytes_max: 1 << 20,
            snapshot_entries: 8,
        }
    }
}
