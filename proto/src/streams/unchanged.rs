//! [`Unchanged`]: the condition of a conditional append.

use std::fmt;

use crate::ids::{Lsn, StreamId};

/// Appends only if no position at or above `since` was given out to an entry of `stream` (Boki, SOSP'21, section 3). The
/// sequencer decides this when it gives out the position of the append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unchanged {
    /// The stream.
    pub stream: StreamId,
    /// All entries of the stream below this position are known to the caller.
    pub since: Lsn,
}

impl fmt::Display for Unchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {} has no entry at position {} or above", self.stream, self.since)
    }
}
