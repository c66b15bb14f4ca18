//! [`Record`]: one change of a node's log or vote, as it stands in the node's file.

use serde::Serialize;

use super::types::{Entry, LogId, Vote};

/// One change of the log or the vote. The records of a file, applied in their order, give the log and the vote again.
#[derive(Serialize)]
pub(crate) enum Record<'a> {
    /// The node's vote, in place of the one before.
    Vote(&'a Vote),
    /// An entry, after the last one.
    Entry(&'a Entry),
    /// This entry and all after it are gone.
    Truncate(LogId),
    /// This entry and all before it are gone.
    Purge(LogId),
}
