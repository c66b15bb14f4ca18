//! [`StreamError`]: why a stream could not be read.

use naxos_proto::ids::{Lsn, StreamId};

use crate::shared_log::LogError;

/// Why a stream could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The log does not go back to where the reader stands, so entries that it has not returned may be gone. Load a state
    /// that includes everything below `trimmed`, and read on from there.
    #[error(
        "stream {stream} was read up to position {next}, but the log is trimmed up to {trimmed}: expected a reader that \
         starts at {trimmed} or above"
    )]
    Trimmed {
        /// The stream.
        stream: StreamId,
        /// All entries below this position were returned.
        next: Lsn,
        /// The log has nothing below this position any more.
        trimmed: Lsn,
    },
    /// The log did not answer.
    #[error(transparent)]
    Log(#[from] LogError),
}
