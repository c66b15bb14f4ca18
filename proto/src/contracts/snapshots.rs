//! Snapshots: immutable files at a position of the log, offered to servers that join.

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::ids::Lsn;

/// What a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Names the snapshot on the server that offers it.
    pub id: u64,
    /// The next position to apply on top of it.
    pub cursor: Lsn,
    /// Length in bytes.
    pub bytes: u64,
    /// crc32 of all bytes.
    pub crc: u32,
}

/// Why a snapshot cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Nothing at or after the position that was asked for.
    #[error("no snapshot at or after position {0}")]
    None(Lsn),
    /// The snapshot is gone, or never was.
    #[error("no snapshot {0}")]
    Unknown(u64),
    /// Reading failed.
    #[error("the snapshot cannot be read: {0}")]
    Read(String),
}

/// A server that has snapshots.
pub trait Snapshots: Send + Sync {
    /// Makes or finds a snapshot that reaches at least `view`.
    fn offer(&self, view: Lsn) -> BoxFuture<'_, Result<Manifest, SnapshotError>>;

    /// Up to `len` bytes of snapshot `id` from byte `at` on.
    fn read(&self, id: u64, at: u64, len: u32) -> BoxFuture<'_, Result<Bytes, SnapshotError>>;
}
