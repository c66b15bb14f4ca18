//! The sequencer: gives out positions of a loglet and, for native loglets, fans appends out to the units.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::chain::LogletParams;
use crate::completion::{Completion, Unknown};
use crate::contracts::{Cell, Refusal};
use crate::ids::{Incarnation, LogletId, Offset};
use crate::tail::Tail;

/// Why an append was not acknowledged. Safety rule 10: done, not done, unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Not done: the loglet is sealed and no unit took the cells. Append to its successor.
    #[error("the loglet is sealed; nothing was appended")]
    Sealed,
    /// Not done, for this reason.
    #[error("nothing was appended: {0}")]
    Refused(#[from] Refusal),
    /// The cells may or may not be in the log. Never retried blindly: the session settles it.
    #[error("it is unknown whether the append happened: {0}")]
    Unknown(String),
}

impl Unknown for AppendError {
    fn unknown() -> Self {
        AppendError::Unknown("the append was lost on its way".to_owned())
    }
}

/// One sequencer's process; serves the loglets whose parameters name its incarnation.
/// # Cancel safety
/// A dropped future may or may not have acted; every call may be repeated.
pub trait Sequencer: Send + Sync {
    /// Its own incarnation.
    fn incarnation(&self) -> Incarnation;

    /// Starts to serve a loglet that a chain in the MetaStore names, with this incarnation as its sequencer; refused
    /// for any other (safety rule 4). Repeating it is no error.
    fn serve<'a>(&'a self, loglet: &'a LogletParams) -> BoxFuture<'a, Result<(), Refusal>>;

    /// Appends a batch at consecutive offsets. Enqueues when called: the order of calls is the order in the log.
    /// `done` gets the first offset once a write quorum has the batch and everything before it, in order.
    fn append(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        batch: Vec<Cell>,
        done: Completion<Result<Offset, AppendError>>,
    );

    /// Reserves `count` offsets for a client that writes them itself (CORFU); the first one. A dropped future may have
    /// reserved them: they are never given out again.
    fn grant(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        count: u32,
    ) -> BoxFuture<'_, Result<Offset, AppendError>>;

    /// The global tail that this sequencer knows of. Alone it is no linearizable answer (safety rule 6): the caller
    /// looks at the seal afterwards. `None`: not serving that loglet.
    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>>;
}

/// Finds the sequencer that a loglet's parameters name.
pub trait SequencerDirectory: Send + Sync {
    /// The sequencer of that incarnation; `None` when it is not known to live.
    fn sequencer(&self, incarnation: Incarnation) -> Option<Arc<dyn Sequencer>>;
}
