//! [`Request`]: what one replica asks another, as CBOR in both directions.

use openraft::raft::{AppendEntriesRequest, InstallSnapshotRequest, VoteRequest};
use serde::{Deserialize, Serialize};

use crate::meta::types::{Put, TypeConfig};

/// The answer of each is openraft's `Result` for the call; of the last two a [`CallError`] or the value.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<u64>),
    Snapshot(InstallSnapshotRequest<TypeConfig>),
    /// A read, to be answered by the leader only.
    Get,
    /// A put, to be carried out by the leader only.
    Put(Put),
}

/// Why a replica did not carry out a read or a put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CallError {
    /// It does not lead; perhaps it knows who does.
    NotLeader(Option<u64>),
    /// Not done.
    Unavailable(String),
    /// Done or not.
    Unknown(String),
}
