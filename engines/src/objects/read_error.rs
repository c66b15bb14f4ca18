//! [`ReadError`]: why objects could not be read.

use naxos_client::LogError;
use naxos_proto::codec::DecodeError;
use naxos_proto::ids::Lsn;

use super::version::Version;

/// Why objects could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The tail of the log could not be asked for.
    #[error("the tail of the log is not known: {0}")]
    Log(#[from] LogError),
    /// This replica must not show its objects.
    #[error("this replica does not serve its objects: {0}")]
    NotServed(String),
    /// The version is too old.
    #[error("version {asked} is too old, history is kept from version {oldest} on")]
    Forgotten {
        /// The version that was asked for.
        asked: Version,
        /// The oldest version at which objects can be read.
        oldest: Version,
    },
    /// The version is not applied here yet.
    #[error("version {asked} is not applied here yet, the next position to apply is {next}")]
    NotYet {
        /// The version that was asked for.
        asked: Version,
        /// The next position to apply.
        next: Lsn,
    },
    /// A row of the local store cannot be read.
    #[error("the local store cannot be read: {0}")]
    Damaged(#[from] DecodeError),
}
