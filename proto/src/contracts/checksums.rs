//! What replicas ask each other to find out whether their states are equal (safety rule 9).

use futures::future::BoxFuture;

use crate::ids::Lsn;

/// At most this many marks are told.
pub const MARKS_TOLD_MAX: usize = 64;
/// At most this many revisions are asked for in one call.
pub const REVISIONS_ASKED_MAX: usize = 64;

/// The running checksum of a replica at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChecksumMark {
    /// The position. The checksum covers the entries below it.
    pub at: Lsn,
    /// The checksum.
    pub checksum: u64,
}

/// Hashes of the history of keys and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryHashes {
    /// The compacted revision. Hashes of two replicas can be compared only if both have the same one.
    pub compacted: i64,
    /// The newest revision.
    pub current: i64,
    /// For each revision that was asked for, in order: the hash of the history up to that revision.
    pub hashes: Vec<u32>,
}

/// Why a replica did not answer. The call may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumsError {
    /// The replica is starting, or works on another such call, or was compacted meanwhile.
    #[error("the replica cannot tell yet")]
    NotYet,
    /// The replica could not be reached, did not answer in time, or sent a broken answer.
    #[error("the replica does not answer: {0}")]
    Unreachable(String),
}

/// A replica that can be compared with others. The calls change nothing.
pub trait Checksums: Send + Sync {
    /// The running checksums at fixed positions, at most [`MARKS_TOLD_MAX`], in the order of the positions. Deadline
    /// between nodes: `CALL_MAX`.
    fn marks(&self) -> BoxFuture<'_, Result<Vec<ChecksumMark>, ChecksumsError>>;

    /// The hashes of the history up to each of these revisions. The revisions are in ascending order, and there are at most
    /// [`REVISIONS_ASKED_MAX`] of them. For a revision below the compacted revision, the hash of the compacted revision is
    /// returned. This reads the whole history. Deadline between nodes: `HASHES_MAX`.
    fn hashes(&self, revisions: Vec<i64>) -> BoxFuture<'_, Result<HistoryHashes, ChecksumsError>>;
}
