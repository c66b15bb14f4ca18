//! [`Change`]: one change to a unit's metadata, as a metadata record holds it.

use bytes::Bytes;
use naxos_proto::contracts::UnitParams;
use naxos_proto::ids::{Boot, LogId, LogletId, Offset};

/// A change to a unit's metadata. Applying it twice must have the same effect as applying it once, because a start may
/// apply it to a preamble that includes it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The loglet exists from now on.
    Open(LogletId, UnitParams),
    /// The loglet takes no more appends. It still takes repairs.
    Seal(LogletId),
    /// The loglet's cells below the offset are forgotten.
    Trim(LogletId, Offset),
    /// The loglet is gone. Its id stays sealed for ever.
    Drop(LogletId),
    /// All loglets of the log with a lower ordinal are dropped. The floor replaces their tombstones.
    Floor(LogId, u64),
    /// A process started on this data directory.
    Boot(Boot),
    /// The MetaStore's raft log changed.
    Raft(RaftChange),
}

/// A change to the MetaStore's raft log. The format of the bytes is private to the replica (see `meta`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RaftChange {
    /// The vote.
    Vote(Bytes),
    /// The entry at an index. Raft may overwrite an entry.
    Entry(u64, Bytes),
    /// Entries from this index on are removed.
    Truncate(u64),
    /// Entries up to and including this index are removed. The bytes are raft's id of the last one: its term, leader
    /// and index.
    Purge(u64, Bytes),
    /// A snapshot of the register.
    Snapshot(Bytes),
}
