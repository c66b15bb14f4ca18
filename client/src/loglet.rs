//! The loglet: the log of one segment, in a static configuration (Delos, OSDI'20, section 3.4).

use std::ops::Range;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::codec::DecodeError;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, CellState, Followed, Refusal};
use naxos_proto::ids::{Incarnation, LogletId, Offset, StorageId};
use naxos_proto::tail::Tail;

/// Why a loglet did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogletError {
    /// Too few units answer; the text says why.
    #[error("{0}")]
    Unavailable(String),
    /// The sequencer does not serve the loglet.
    #[error("loglet {0} takes no appends: {1}")]
    NotServed(LogletId, Refusal),
    /// This process has no provider for its kind.
    #[error("loglet {0} is of {1}, which this process cannot open")]
    UnknownKind(LogletId, LogletKind),
    /// Its parameters in the chain are not what its kind has.
    #[error("the chain's parameters of loglet {0} cannot be read: {1}")]
    Params(LogletId, DecodeError),
}

/// A log that one configuration holds. Positions are contiguous from 0.
pub trait Loglet: Send + Sync {
    /// What it was made from.
    fn params(&self) -> &LogletParams;

    /// Appends a batch; `done` gets the first offset. Order, durability and errors as for `SharedLog::append`, except
    /// that [`AppendError::Sealed`] comes out.
    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Offset, AppendError>>);

    /// The tail; the seal is looked at after the offset (safety rule 1).
    fn check_tail(&self) -> BoxFuture<'_, Result<Tail, LogletError>>;

    /// The same from memory, without yielding, where the whole loglet is in this process.
    fn check_tail_now(&self) -> Option<Tail>;

    /// Cells of `range`, which must lie below a checked tail: at least one, then up to about `max_bytes`.
    fn read(&self, range: Range<Offset>, max_bytes: usize) -> BoxFuture<'_, Result<Vec<CellState>, LogletError>>;

    /// Cells from `from` on, as they become known to be committed, each present, junk or trimmed; ends with
    /// [`Followed::Sealed`] or an error. Cells at or above the known tail of a sealed loglet are not sent: the chain says
    /// whether they count. A trimmed range is one trimmed cell; the next item starts at the trim point. Bounded: a slow
    /// follower reads later what it has not taken.
    fn follow(self: Arc<Self>, from: Offset) -> BoxStream<'static, Result<Followed, LogletError>>;

    /// Ends appends for good and finds a tail that no acknowledged append lies at or above. Idempotent, but a later
    /// call may answer a higher tail: the chain says where the segment ends.
    fn seal(&self) -> BoxFuture<'_, Result<Offset, LogletError>>;

    /// Forgets cells below `up_to`.
    fn trim(&self, up_to: Offset) -> BoxFuture<'_, Result<(), LogletError>>;

    /// Frees the loglet on its units: its segment has left the chain.
    fn discard(&self) -> BoxFuture<'_, Result<(), LogletError>>;
}

/// Who is alive, as far as the caller can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// Sequencers that may be chosen, best first.
    pub sequencers: Vec<Incarnation>,
    /// Units that may be chosen, ascending.
    pub units: Vec<StorageId>,
}

/// Opens loglets of one kind and says what the next one should be. Policy; the virtual log is the mechanism.
pub trait LogletProvider: Send + Sync {
    /// The kind of its loglets.
    fn kind(&self) -> LogletKind;

    /// Opens a loglet by its parameters, for reading, sealing and appending. That changes nothing anywhere: appends are
    /// refused until its sequencer serves it.
    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError>;

    /// Makes the loglet exist on its units, before a chain names it.
    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>>;

    /// Makes the loglet's sequencer serve it, once a chain that names the loglet is installed. Repeating it is no error.
    fn serve<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>>;

    /// Tells the units of `gone`, loglets of one log that have left the chain, that no chain names a loglet of that log with
    /// an ordinal below `ordinal`: they forget what they hold of such, and take none any more.
    fn raise_floor<'a>(&'a self, gone: &'a [LogletParams], ordinal: u64) -> BoxFuture<'a, Result<(), LogletError>>;

    /// Parameters for `id` from who is alive now. Never a clone of the previous ones: they may name the dead.
    fn choose_params(&self, id: LogletId, alive: &Liveness) -> Result<LogletParams, LogletError>;
}
