//! [`UpdateError`]: why an update was not done, or why its outcome is unknown.

use super::aborted::Aborted;
use super::limit_error::LimitError;
use crate::engine::ProposeError;

/// Why an update was not done, or why its outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// Not done: it does not keep a bound.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Not done: it is refused, or the version that it expects is not there.
    #[error(transparent)]
    Aborted(#[from] Aborted),
    /// Not done or unknown, as the error says.
    #[error(transparent)]
    Propose(#[from] ProposeError),
}
