//! [`CommitError`]: why it is not known here what became of a transaction.

use super::read_error::ReadError;
use crate::engine::ProposeError;

/// Why it is not known here what became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Not done or unknown, as the error says.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// A transaction that only read could not check its reads.
    #[error(transparent)]
    Read(#[from] ReadError),
}
