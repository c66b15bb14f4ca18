//! The sequencer: gives out the offsets of a loglet. For native loglets it also stores the appends on the units.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::chain::LogletParams;
use crate::completion::{Completion, Unknown};
use crate::contracts::{Cell, Refusal};
use crate::ids::{Incarnation, LogletId, Lsn, Offset, StreamId};
use crate::streams::StreamTails;
use crate::tail::Tail;

/// Why an append was not acknowledged. Safety rule 10: a write is done, not done or unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Not done: the loglet is sealed and no unit took the cells. Append to its successor.
    #[error("the loglet is sealed; nothing was appended")]
    Sealed,
    /// Not done, for the given reason.
    #[error("nothing was appended: {0}")]
    Refused(#[from] Refusal),
    /// The loglet ended before a write quorum had the cells, and some unit may hold them. The end of the segment in the
    /// chain decides: cells below it are in the log, cells at or above it are not and never will be. The virtual log
    /// settles this, so a caller of the shared log never gets it.
    #[error("the loglet ended while the append at offset {at} was in flight")]
    Undecided {
        /// The offset of the first cell.
        at: Offset,
    },
    /// The cells may or may not be in the log. Never retry without a check. The session engine finds out whether they
    /// are.
    #[error("it is unknown whether the append happened: {0}")]
    Unknown(String),
}

impl Unknown for AppendError {
    fn unknown() -> Self {
        AppendError::Unknown("the append was lost on its way".to_owned())
    }
}

/// Hears the offset of an append's first cell, at most once. It is of no use after the append's outcome.
pub type OnGrant = Box<dyn FnOnce(Offset) + Send>;

/// The sequencer of one process. It serves the loglets whose parameters name its incarnation.
/// # Cancel safety
/// If a future is dropped, the call may or may not have been done. Every call except [`Sequencer::append`] may be
/// repeated.
pub trait Sequencer: Send + Sync {
    /// The incarnation of this sequencer.
    fn incarnation(&self) -> Incarnation;

    /// Begins to serve a loglet that a chain in the MetaStore names, whose first cell has position `start`. Refused if the
    /// loglet names another incarnation as its sequencer (safety rule 4). The call may be repeated.
    fn serve<'a>(&'a self, loglet: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), Refusal>>;

    /// Appends a batch at consecutive offsets. It enqueues the batch before it returns, so the order of calls is the
    /// order in the log. `done` gets the first offset once a write quorum has the batch and everything before it. The
    /// batches of a loglet are acknowledged in their order.
    ///
    /// `granted` gets the first offset as soon as it is given out, so that the caller can find out from the units whether
    /// the batch is on a write quorum, even if this sequencer is lost. It is not called if the batch is refused, or if
    /// the loglet has only one unit: that unit may refuse the batch, and then the offset is given out again.
    fn append(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        batch: Vec<Cell>,
        granted: Option<OnGrant>,
        done: Completion<Result<Offset, AppendError>>,
    );

    /// Reserves `count` offsets for a client that writes its cells itself (CORFU), and returns the first offset. If the
    /// future is dropped, the offsets may be reserved all the same. Reserved offsets are never given out again.
    fn grant(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        count: u32,
    ) -> BoxFuture<'_, Result<Offset, AppendError>>;

    /// As [`Self::grant`], for cells of which some are in streams. `headers` has one header
    /// ([`StreamHeader::part_of`](crate::streams::StreamHeader::part_of)) for each cell, empty for a cell that is in no
    /// stream. Returns the first offset, and the headers with their pointers.
    fn grant_in_streams(
        &self,
        _loglet: LogletId,
        _incarnation: Incarnation,
        _headers: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<(Offset, Vec<Bytes>), AppendError>> {
        let refusal = Refusal::Unsupported("this sequencer has no streams".to_owned());
        Box::pin(std::future::ready(Err(refusal.into())))
    }

    /// Where the newest entries of these streams are: at most [`STREAMS_ASKED_MAX`](crate::streams::STREAMS_ASKED_MAX). The
    /// answer covers every offset that was given out before the call. `None` if the sequencer does not serve that loglet,
    /// or has no streams.
    fn stream_tails<'a>(&'a self, _loglet: LogletId, _streams: &'a [StreamId]) -> BoxFuture<'a, Option<StreamTails>> {
        Box::pin(std::future::ready(None))
    }

    /// The global tail, as far as this sequencer knows it. This alone is not a linearizable answer (safety rule 6):
    /// the caller has to check the seal afterwards. `None` if the sequencer does not serve that loglet.
    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>>;
}

/// Finds the sequencer that a loglet's parameters name.
pub trait SequencerDirectory: Send + Sync {
    /// The sequencer of that incarnation. `None` if it is not known to be alive.
    fn sequencer(&self, incarnation: Incarnation) -> Option<Arc<dyn Sequencer>>;
}
