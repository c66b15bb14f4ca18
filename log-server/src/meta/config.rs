//! [`MetaConfig`]: the knobs of a MetaStore replica.

use std::time::Duration;

use naxos_proto::ids::StorageId;

/// How a replica works. Fail-over takes `election_max` + a random time from `election_min` to `election_max`.
#[derive(Clone, Debug)]
pub struct MetaConfig {
    /// On the first start of all: who votes. Empty on a replica that joins later.
    pub voters: Vec<StorageId>,
    /// Between two heartbeats of the leader; above a follower's slowest sync.
    pub heartbeat: Duration,
    /// Least time without a leader before an election.
    pub election_min: Duration,
    /// Most time without a leader before an election; above `election_min`.
    pub election_max: Duration,
    /// How long a call tries.
    pub deadline: Duration,
    /// The longest value.
    pub value_bytes_max: usize,
    /// A snapshot is made after so many entries.
    pub snapshot_entries: u64,
}

impl MetaConfig {
    /// A register whose only voter is `storage`.
    pub fn alone(storage: StorageId) -> Self {
        Self {
            voters: vec![storage],
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(300),
            deadline: Duration::from_secs(5),
            value_bytes_max: 1 << 20,
            snapshot_entries: 8,
        }
    }
}
