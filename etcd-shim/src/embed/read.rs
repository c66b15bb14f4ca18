//! [`Read`]: how fresh a read is.

/// How fresh a read is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Read {
    /// Shows every write that was acknowledged anywhere before the call. Asks a majority of the storage units, or all
    /// of them if the log is in a Corfu loglet.
    #[default]
    Linearizable,
    /// Shows what this node has applied. Asks no other node. A write through this node is always shown after it was
    /// acknowledged (read your writes). A write through another node may be missing.
    Local,
    /// Shows this node's state at a revision, which must not be compacted.
    At(i64),
}
