//! [`StartMemory`]: what a node remembers of the starts.

use naxos_proto::contracts::StartMark;
use naxos_proto::ids::StorageId;

/// Remembers the latest start on each other data directory, and the own starts.
pub trait StartMemory: Send + Sync {
    /// Takes note of a start. This node, or another one, has seen it at the address of the data directory's member. The
    /// note is durable some time later. Returns false, and notes nothing, if a later start is known, or another one
    /// with the same boot count, or if the data directory has no seat.
    fn note(&self, storage: StorageId, start: StartMark) -> bool;

    /// Whether this is the latest start that is known of the data directory, durably or not.
    fn is_latest(&self, storage: StorageId, start: StartMark) -> bool;

    /// Whether the start of this process is written down in its own data directory. Before that no other node may note
    /// it. If it is not written down, the call asks for that.
    fn own_is_durable(&self) -> bool;

    /// The latest starts of the others that are noted durably.
    fn noted(&self) -> Vec<(StorageId, StartMark)>;
}
