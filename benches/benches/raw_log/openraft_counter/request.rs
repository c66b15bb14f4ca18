//! [`Request`]: a request from one node to another.

use openraft::raft::{AppendEntriesRequest, InstallSnapshotRequest, VoteRequest};
use serde::{Deserialize, Serialize};

use super::types::TypeConfig;

/// A request to another node. It is answered with openraft's own `Result`.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    /// New entries, or a heartbeat.
    Append(AppendEntriesRequest<TypeConfig>),
    /// A candidate asks for a vote.
    Vote(VoteRequest<u64>),
    /// A piece of a snapshot.
    Snapshot(InstallSnapshotRequest<TypeConfig>),
}
