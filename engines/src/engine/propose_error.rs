//! [`ProposeError`]: why a proposal was not applied.

use naxos_proto::completion::Unknown;
use naxos_proto::contracts::{AppendError, Refusal};

/// Why a proposal was not applied here. Safety rule 10: a write is done, not done or unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Not done, for the given reason.
    #[error("nothing was appended: {0}")]
    Refused(Refusal),
    /// Not done: this engine is always on.
    #[error("engine {engine} cannot be turned on or off, expected one of {switchable}")]
    NotSwitchable {
        /// The name of the engine.
        engine: &'static str,
        /// The names of the engines that can be turned on and off.
        switchable: String,
    },
    /// Not done, and never will be: the node stops.
    #[error("the node is stopping")]
    Stopped,
    /// The proposal may or may not have been done.
    #[error("it is unknown whether the proposal was done: {0}")]
    Unknown(String),
}

impl From<AppendError> for ProposeError {
    fn from(e: AppendError) -> Self {
        match e {
            // `SharedLog::append` never answers this, because the log goes on in the next segment. If it did, nothing
            // would have been appended.
            AppendError::Sealed => ProposeError::Refused(Refusal::NoSuccessor),
            AppendError::Refused(refusal) => ProposeError::Refused(refusal),
            // `SharedLog::append` never answers this either. It compares the append's offset with the end of the
            // segment, and so finds out whether the append was done.
            undecided @ AppendError::Undecided { .. } => ProposeError::Unknown(undecided.to_string()),
            AppendError::Unknown(why) => ProposeError::Unknown(why),
        }
    }
}

impl Unknown for ProposeError {
    fn unknown() -> Self {
        ProposeError::Unknown("the proposal was lost on its way".to_owned())
    }
}
