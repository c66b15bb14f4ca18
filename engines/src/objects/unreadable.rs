//! [`Unreadable`]: why a field could not be read.

use naxos_proto::codec::DecodeError;

use super::read_error::ReadError;
use super::version::Version;

/// Why a field could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// A change that the read needs is forgotten.
    #[error("version {asked} is older than {oldest}")]
    Forgotten { asked: Version, oldest: Version },
    /// A row cannot be decoded.
    #[error(transparent)]
    Damaged(#[from] DecodeError),
}

impl From<Unreadable> for ReadError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Forgotten { asked, oldest } => ReadError::Forgotten { asked, oldest },
            Unreadable::Damaged(error) => ReadError::Damaged(error),
        }
    }
}
