//! The types that openraft's generic parameters stand for in this replica.

use std::io::Cursor;

use naxos_proto::contracts::{PutOutcome, Versioned};
use naxos_proto::ids::ChainVersion;
use serde::{Deserialize, Serialize};

use crate::meta::seeded_runtime::SeededRuntime;

/// A compare-and-swap on the register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Put {
    pub(crate) expected: u64,
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
}

/// The outcome of a [`Put`]: `Ok` with the new version, or `Conflict` with the value that the register holds. Entries
/// for membership and blank entries answer `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    None,
    Ok(u64),
    Conflict(Value),
}

/// The register's value and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) version: u64,
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
}

impl From<Value> for Versioned {
    fn from(value: Value) -> Self {
        Versioned { version: ChainVersion(value.version), bytes: value.bytes.into() }
    }
}

impl Answer {
    /// The outcome as the contract defines it. `None` for an entry that was not a put.
    pub(crate) fn outcome(self) -> Option<PutOutcome> {
        match self {
            Answer::None => None,
            Answer::Ok(version) => Some(PutOutcome::Ok(ChainVersion(version))),
            Answer::Conflict(value) => Some(PutOutcome::Conflict(value.into())),
        }
    }
}

openraft::declare_raft_types!(
    pub(crate) TypeConfig:
        D = Put,
        R = Answer,
        NodeId = u64,
        Node = openraft::EmptyNode,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = SeededRuntime,
);

pub(crate) type Entry = openraft::Entry<TypeConfig>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type Raft = openraft::Raft<TypeConfig>;
