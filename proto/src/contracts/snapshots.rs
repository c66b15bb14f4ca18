//! Snapshots: immutable files that hold the state at a position of the log, offered to servers that join.

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::ids::Lsn;

/// The description of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The id of the snapshot on the server that offers it.
    pub id: u64,
    /// The next position to apply after the snapshot.
    pub cursor: Lsn,
    /// The snapshot's length in bytes.
    pub bytes: u64,
    /// The crc32 of all its bytes.
    pub crc: u32,
}

/// Why a snapshot is not available.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// There is no snapshot at or after the requested position.
    #[error("no snapshot at or after position {0}")]
    None(Lsn),
    /// The snapshot is gone, or never was.
    #[error("no snapshot {0}")]
    Unknown(u64),
    /// Reading the snapshot failed.
    #[error("the snapshot cannot be read: {0}")]
    Read(String),
}

/// A server that offers snapshots.
pub trait Snapshots: Send + Sync {
    /// Makes or finds a snapshot whose cursor is at least `view`.
    fn offer(&self, view: Lsn) -> BoxFuture<'_, Result<Manifest, SnapshotError>>;

    /// Reads up to `len` bytes of snapshot `id` from byte `at` on.
    fn read(&self, id: u64, at: u64, len: u32) -> BoxFuture<'_, Result<Bytes, SnapshotError>>;
}
