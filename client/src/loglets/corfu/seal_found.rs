//! [`SealFound`]: how many copies there are after a seal.

use naxos_proto::ids::Offset;

/// What the last seal of this process has found.
#[derive(Clone, Debug, Default)]
pub(super) struct SealFound {
    /// The indexes of the units that are sealed and hold everything below the end.
    pub(super) holders: Vec<usize>,
    /// Everything below this offset is on every unit, or was there until it was trimmed.
    pub(super) on_all: Offset,
}
