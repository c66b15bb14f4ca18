//! [`CommitError`]: why there is no decision here about a transaction.

use super::read_error::ReadError;
use crate::engine::ProposeError;

/// Why there is no decision here about a transaction: it was not proposed, its outcome is unknown, or its reads could
/// not be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Not done or unknown, as the error says.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// The transaction has no writes, and its reads could not be checked.
    #[error(transparent)]
    Read(#[from] ReadError),
}
