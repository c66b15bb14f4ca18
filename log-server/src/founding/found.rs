//! [`Found`] and [`FoundingError`]: how a founding ends for a seat.

use naxos_proto::contracts::{Founder, FoundingValue};
use naxos_proto::ids::LogId;

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This data directory is one of the founders. If the log was not begun yet, the founders begin it.
    Founder {
        /// The log.
        log: LogId,
        /// All founders, ascending by seat.
        founders: Vec<Founder>,
    },
    /// The log was founded without this data directory, which has to join.
    Exists {
        /// The log.
        log: LogId,
        /// All founders, ascending by seat. This seat may be among them with an earlier data directory, if the seat's
        /// disk was emptied.
        founders: Vec<Founder>,
    },
}

impl Found {
    /// What `value` means for the seat `own`.
    pub(super) fn new(value: FoundingValue, own: Founder) -> Self {
        let is_founder = value.names(own);
        let FoundingValue { log, founders } = value;
        if is_founder { Found::Founder { log, founders } } else { Found::Exists { log, founders } }
    }

    /// The log.
    pub fn log(&self) -> LogId {
        match self {
            Found::Founder { log, .. } | Found::Exists { log, .. } => *log,
        }
    }

    /// All founders, ascending by seat.
    pub fn founders(&self) -> &[Founder] {
        match self {
            Found::Founder { founders, .. } | Found::Exists { founders, .. } => founders,
        }
    }
}

/// Why a seat has no decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoundingError {
    /// The node stops.
    #[error("the node stops before its cluster is founded")]
    Stopped,
    /// The seat could not record an answer, so it answers no more. It may go on when its process is started again.
    #[error("the founding cannot be recorded in the data directory: {0}")]
    Disk(String),
}
