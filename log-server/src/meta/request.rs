//! [`Request`]: a request from one replica to another. Requests and answers are CBOR.

use openraft::raft::{AppendEntriesRequest, InstallSnapshotRequest, VoteRequest};
use serde::{Deserialize, Serialize};

use crate::meta::types::{Put, TypeConfig};

/// A request to another replica. `Append`, `Vote` and `Snapshot` are answered with openraft's own `Result`, `Get` with
/// a `Result<Value, CallError>` and `Put` with a `Result<Answer, CallError>`.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<u64>),
    Snapshot(InstallSnapshotRequest<TypeConfig>),
    /// A read. Only the leader may answer it.
    Get,
    /// A put. Only the leader may carry it out.
    Put(Put),
}

/// Why a replica did not carry out a read or a put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CallError {
    /// The replica does not lead. The leader's id, if the replica knows it.
    NotLeader(Option<u64>),
    /// The call was not carried out.
    Unavailable(String),
    /// The call may or may not have been carried out.
    Unknown(String),
}
