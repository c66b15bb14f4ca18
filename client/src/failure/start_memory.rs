//! [`StartMemory`]: what a node remembers of the starts.

use naxos_proto::contracts::StartMark;
use naxos_proto::ids::StorageId;

/// Remembers the starts on this node's data directory, and the latest start on each other data directory.
pub trait StartMemory: Send + Sync {
    /// Takes note of a start on the data directory `storage`. Call it only for a start that this node, or another one,
    /// has seen at the address of the member to which that directory belongs. The note is durable some time later.
    /// Returns false, and notes nothing, if a later start is known, or another one with the same boot count, or if the
    /// data directory has no seat.
    fn note(&self, storage: StorageId, start: StartMark) -> bool;

    /// Whether this is the latest start that is known of the data directory, durably or not.
    fn is_latest(&self, storage: StorageId, start: StartMark) -> bool;

    /// Whether the start of this process is written down in its own data directory. Before that no other node may note
    /// it. If it is not written down, the call asks for that.
    fn own_is_durable(&self) -> bool;

    /// The latest starts of the others that are noted durably.
    fn noted(&self) -> Vec<(StorageId, StartMark)>;
}
