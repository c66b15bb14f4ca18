//! The types that openraft's generic parameters stand for in this benchmark.

use std::io::Cursor;

use serde::{Deserialize, Serialize};

/// What the log replicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Adds 1 to the total. The answer is the new total.
    Add,
}

openraft::declare_raft_types!(
    /// The answer to every entry is the total after it.
    pub(crate) TypeConfig:
        D = Command,
        R = u64,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = openraft::TokioRuntime,
);

pub(crate) type Entry = openraft::Entry<TypeConfig>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type Raft = openraft::Raft<TypeConfig>;
