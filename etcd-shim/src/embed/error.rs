//! [`Error`]: why a call has no answer.

use naxos_engines::ProposeError;
use tonic::{Code, Status};

use crate::backend::cause;

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The node did not start. The text says what was expected.
    #[error("the node does not start: {0}")]
    Start(String),
    /// The request is wrong and was not carried out. The text says what was expected.
    #[error("{0}")]
    Invalid(String),
    /// The program's own state machine refused the command. The text is that of its `Refused`.
    #[error("refused: {0}")]
    Refused(String),
    /// The request was not carried out. It may succeed if it is tried again later.
    #[error("not done: {0}")]
    NotDone(String),
    /// The request may or may not have been carried out. Read the keys to find out.
    #[error("it is unknown whether this was done: {0}")]
    Unknown(String),
    /// The history before this revision was compacted, so a watch cannot begin or go on there.
    #[error("the history was compacted: the oldest revision is {0}")]
    Compacted(i64),
    /// The node, or the watch, has ended. The text says why.
    #[error("the node or the watch has ended: {0}")]
    Ended(String),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let text = status.message().to_owned();
        match (cause(&status), status.code()) {
            (Some(ProposeError::Unknown(_)), _) => Error::Unknown(text),
            (_, Code::InvalidArgument | Code::OutOfRange | Code::NotFound) => Error::Invalid(text),
            _ => Error::NotDone(text),
        }
    }
}
