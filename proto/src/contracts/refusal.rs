//! [`Refusal`]: why a call was certainly not done.

#[cfg(doc)]
use crate::contracts::APPEND_BYTES_MAX;
use crate::contracts::UnitError;
use crate::ids::{Incarnation, LogletId, StorageId};
use crate::streams::Unchanged;

/// Why an append was refused. Nothing was stored, so the append may be tried again. If a new attempt can succeed only
/// after some event, the text of the variant names this event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A queue is full, or too much is in flight. Try again soon.
    #[error("too much is in flight; try again")]
    Overloaded,
    /// A storage unit has no room. Try again once the log was trimmed or the disk was enlarged.
    #[error(
        "the storage unit's disk is full: {free} bytes are free, {needed} are needed; trim the log or enlarge the disk"
    )]
    DiskFull {
        /// How many bytes are free.
        free: u64,
        /// How many bytes have to be free.
        needed: u64,
    },
    /// The sequencer of the active loglet is not known to be alive. Try again after the next reconfiguration.
    #[error("sequencer {0} is gone; a reconfiguration is due")]
    NoSequencer(Incarnation),
    /// The sequencer does not serve this loglet. Either [`Sequencer::serve`](super::Sequencer::serve) was not called
    /// for it yet, or the loglet was removed to make room for later ones.
    #[error("the sequencer does not serve loglet {0}")]
    NotServed(LogletId),
    /// The loglet belongs to another sequencer (safety rule 4).
    #[error("loglet {loglet} belongs to sequencer {owner}, this is {asked}")]
    OtherSequencer {
        /// The loglet.
        loglet: LogletId,
        /// The loglet's sequencer for its whole life.
        owner: Incarnation,
        /// The sequencer that received the call.
        asked: Incarnation,
    },
    /// A storage unit of the loglet is not known here.
    #[error("storage unit {0} is not known here")]
    UnknownUnit(StorageId),
    /// The loglet is sealed, and no successor was made in time.
    #[error("the log is sealed and has no successor yet")]
    NoSuccessor,
    /// An earlier append failed. The sequencer takes appends again when all appends in flight are settled. But if
    /// nobody knows whether the earlier append was done, the sequencer takes no more appends to this loglet. The text
    /// says why the earlier append failed.
    #[error("an earlier append failed: {0}")]
    EarlierFailed(String),
    /// A storage unit refused the append for a reason that waiting does not remove.
    #[error("{0}")]
    Unit(UnitError),
    /// The append is larger than the log takes ([`APPEND_BYTES_MAX`]). Waiting does not help.
    #[error("the append has {bytes} bytes, expected at most {bytes_max}")]
    TooLarge {
        /// How many bytes its cells have.
        bytes: u64,
        /// How many bytes they may have.
        bytes_max: u64,
    },
    /// The condition of the append does not hold, or the sequencer does not know whether it does, because the stream got no
    /// entry for a long time. Find the new entries of the stream, and decide again.
    #[error("the condition that {0} does not hold, or is not known to hold any more: read the stream again")]
    StreamChanged(Unchanged),
    /// The sequencer does not support this call or this loglet. The text says why.
    #[error("{0}")]
    Unsupported(String),
}

impl From<UnitError> for Refusal {
    fn from(e: UnitError) -> Self {
        match e {
            UnitError::Overloaded => Refusal::Overloaded,
            UnitError::DiskFull { free, needed } => Refusal::DiskFull { free, needed },
            other => Refusal::Unit(other),
        }
    }
}
