//! Snapshots: immutable files that hold the state at a position of the log. A node offers them to nodes whose local
//! store is behind the log's trim point.

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::ids::{LogId, Lsn, StorageId};

/// The description of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The id of the snapshot on the node that offers it. It is never used again, not even by a later process.
    pub id: u64,
    /// The log whose state it is.
    pub log: LogId,
    /// The next position to apply after the snapshot.
    pub cursor: Lsn,
    /// The snapshot's length in bytes.
    pub bytes: u64,
    /// The crc32 of all its bytes.
    pub crc: u32,
    /// The format of the file.
    pub format: u64,
}

/// Why a snapshot is not available.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The snapshot is being made: ask again.
    #[error("the snapshot is being made")]
    NotYet,
    /// Too many nodes ask this node for snapshots, or another node still reads a snapshot that is too old for the
    /// caller: ask again later.
    #[error("the node is busy with snapshots for other nodes")]
    Busy,
    /// The snapshot is gone, or never was: ask for another one.
    #[error("no snapshot {0}")]
    Unknown(u64),
    /// This node cannot offer a snapshot: ask another node.
    #[error("no snapshot can be offered: {0}")]
    Refused(String),
    /// The call failed, or its answer cannot be decoded, or the node is stopping. The call may be repeated.
    #[error("the node that offers snapshots does not answer: {0}")]
    Unreachable(String),
}

/// A node that offers snapshots. Deadline of a call between nodes: `CALL_MAX`. Every call may be repeated.
pub trait Snapshots: Send + Sync {
    /// Makes or finds a snapshot whose cursor is at least `at_least`, for the node `to`. Making one can take longer
    /// than the deadline of a call, so the answer is [`SnapshotError::NotYet`] until the snapshot is made.
    ///
    /// Once a manifest was returned, the log is not trimmed beyond the snapshot's cursor as long as `to` reads the
    /// snapshot. The log is trimmed all the same if this takes too long, or if the log becomes too large.
    fn offer(&self, to: StorageId, at_least: Lsn) -> BoxFuture<'_, Result<Manifest, SnapshotError>>;

    /// Reads bytes of snapshot `id` from byte `at` on: at most `len`, and at least one, unless `at` is the end of the
    /// snapshot or lies after it. The bytes at one place never change.
    fn read(&self, id: u64, at: u64, len: u32) -> BoxFuture<'_, Result<Bytes, SnapshotError>>;
}
