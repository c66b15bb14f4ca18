//! [`Refusal`]: why something was certainly not done.

use crate::contracts::UnitError;
use crate::ids::{Incarnation, LogletId, StorageId};

/// Why an append was refused. Nothing was stored, so it may be tried again; which of these it is says when that helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A queue is full, or too much is in flight. Try again soon.
    #[error("too much is in flight; try again")]
    Overloaded,
    /// A storage unit has no room. Try again once the log was trimmed or the disk was enlarged.
    #[error("the storage unit's disk is full: {free} bytes are free, {needed} are needed; trim or enlarge it")]
    DiskFull {
        /// Free bytes.
        free: u64,
        /// Bytes that have to be free.
        needed: u64,
    },
    /// The sequencer of the active loglet is not known to live. Try again after the next reconfiguration.
    #[error("sequencer {0} is gone; a reconfiguration is due")]
    NoSequencer(Incarnation),
    /// The sequencer does not serve this loglet: it was not asked to yet, or it serves a later one.
    #[error("the sequencer does not serve loglet {0}")]
    NotServed(LogletId),
    /// The loglet belongs to another sequencer (safety rule 4).
    #[error("loglet {loglet} belongs to sequencer {owner}, this is {asked}")]
    OtherSequencer {
        /// The loglet.
        loglet: LogletId,
        /// Its sequencer for life.
        owner: Incarnation,
        /// The one that was asked.
        asked: Incarnation,
    },
    /// A storage unit of the loglet is not known here.
    #[error("storage unit {0} is not known here")]
    UnknownUnit(StorageId),
    /// The loglet is sealed and nobody has made a successor in time.
    #[error("the log is sealed and has no successor yet")]
    NoSuccessor,
    /// An append before this one failed, and the sequencer settles that first; the text says why it failed.
    #[error("an append before it failed: {0}")]
    EarlierFailed(String),
    /// A storage unit refused it for a reason that no waiting mends.
    #[error("{0}")]
    Unit(UnitError),
    /// This kind of loglet does not work so.
    #[error("{0}")]
    Unsupported(&'static str),
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
