//! [`OpenError`]: why an object could not be opened.

use naxos_proto::codec::DecodeError;

use super::limit_error::LimitError;
use super::open_refused::OpenRefused;
use crate::engine::ProposeError;

/// Why an object could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The name is empty or too long.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The object has another type, or there are too many objects.
    #[error(transparent)]
    Refused(#[from] OpenRefused),
    /// The object is not known here, and could not be asked for in the log.
    #[error("the object is not known here, and opening it failed: {0}")]
    Propose(#[from] ProposeError),
    /// A row of the local store cannot be read.
    #[error("the local store cannot be read: {0}")]
    Damaged(#[from] DecodeError),
}
