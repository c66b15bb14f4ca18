//! [`Change`]: one change of a unit's metadata, as a metadata record says it.

use bytes::Bytes;
use naxos_proto::contracts::UnitParams;
use naxos_proto::ids::{Boot, LogId, LogletId, Offset};

/// A change of a unit's metadata. Applying one twice equals applying it once: a checkpoint may hold it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A loglet exists from now on.
    Open(LogletId, UnitParams),
    /// It takes no stores any more.
    Seal(LogletId),
    /// Its cells below the offset are forgotten.
    Trim(LogletId, Offset),
    /// It is gone; its id stays sealed for ever.
    Drop(LogletId),
    /// All ordinals of the log below this one are dropped; tombstones below it are folded into it.
    Floor(LogId, u64),
    /// A process started on this data directory.
    Boot(Boot),
    /// The MetaStore's raft log.
    Raft(RaftChange),
}

/// A change of the MetaStore's raft log; the bytes are the replica's own (`meta`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RaftChange {
    /// The vote.
    Vote(Bytes),
    /// An entry at an index; raft overwrites.
    Entry(u64, Bytes),
    /// Entries from this index on are gone.
    Truncate(u64),
    /// Entries up to and with this index are gone; the bytes are the log id of the last one.
    Purge(u64, Bytes),
    /// A snapshot of the register.
    Snapshot(Bytes),
}
