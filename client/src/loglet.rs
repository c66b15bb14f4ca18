//! The loglet: the log of one segment, whose configuration never changes (Delos, OSDI'20, section 3.4).

use std::ops::Range;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::codec::DecodeError;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, CellState, Followed, Refusal};
use naxos_proto::ids::{Incarnation, LogletId, Lsn, Offset, StorageId, StreamId};
use naxos_proto::streams::StreamTails;
use naxos_proto::tail::Tail;
use naxos_proto::unit_change::UnitChange;

/// Why a loglet did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogletError {
    /// The call needs a sequencer or storage unit that is not alive or not known here, or too few storage units did
    /// what they were asked. The text says why.
    #[error("{0}")]
    Unavailable(String),
    /// The sequencer does not serve the loglet.
    #[error("loglet {0} takes no appends: {1}")]
    NotServed(LogletId, Refusal),
    /// This process has no provider for the loglet's kind.
    #[error("loglet {0} is of {1}, which this process cannot open")]
    UnknownKind(LogletId, LogletKind),
    /// The loglet's parameters in the chain do not decode for its kind.
    #[error("the chain's parameters of loglet {0} cannot be read: {1}")]
    Params(LogletId, DecodeError),
}

/// A log with a fixed configuration. Its offsets are contiguous from 0.
pub trait Loglet: Send + Sync {
    /// The parameters from which it was opened.
    fn params(&self) -> &LogletParams;

    /// Appends a batch. `done` gets the first offset. Order, durability and errors are as for `SharedLog::append`,
    /// except that the caller can get [`AppendError::Sealed`] and [`AppendError::Undecided`].
    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Offset, AppendError>>);

    /// Follows the tails that the loglet's units tell, until the future is dropped. Meanwhile appends of this process
    /// are acknowledged, and followers get cells, as soon as the units' tails show that the cells are on a write
    /// quorum. While nobody runs this future, appends and followers wait until the sequencer tells the tail. Never
    /// resolves.
    fn listen(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// Tells the loglet that the chain has ended it at `end`. `None` if the chain does not name the loglet any more.
    /// From now on, an append without an outcome waits for no other process. It is answered with
    /// [`AppendError::Undecided`] if its offset is known here. The call may be repeated.
    fn retire(&self, _end: Option<Offset>) {}

    /// Finds the tail. The seal is checked after the offset (safety rule 1).
    fn check_tail(&self) -> BoxFuture<'_, Result<Tail, LogletError>>;

    /// Where the newest entries of these streams are, as the loglet's sequencer knows it.
    fn stream_tails<'a>(&'a self, _streams: &'a [StreamId]) -> BoxFuture<'a, Result<StreamTails, LogletError>> {
        let why = format!("loglets of {} have no streams", self.params().kind);
        Box::pin(std::future::ready(Err(LogletError::Unavailable(why))))
    }

    /// As [`Self::check_tail`], but from memory and without waiting. `None` unless the whole loglet is in this
    /// process. Also `None` while the tail of an open loglet is not known to be durable.
    fn check_tail_now(&self) -> Option<Tail>;

    /// Reads cells of `range`: at least one, then more up to about `max_bytes`. `range` must lie below a checked tail.
    fn read(&self, range: Range<Offset>, max_bytes: usize) -> BoxFuture<'_, Result<Vec<CellState>, LogletError>>;

    /// A stream of the cells from `from` on, as they become known to be committed. Each is present, junk or trimmed.
    /// The stream ends with [`Followed::Sealed`] or an error. Of a sealed loglet, cells at or above the known tail are
    /// not sent, because only the chain says whether they count. A trimmed range is sent as one trimmed cell, and the
    /// next item starts at the trim point. Memory is bounded: cells that a slow follower has not taken are read later.
    fn follow(self: Arc<Self>, from: Offset) -> BoxStream<'static, Result<Followed, LogletError>>;

    /// Ends appends for good. Returns a tail above every acknowledged append. Idempotent, but a later call may return
    /// a higher tail; only the chain says where the segment ends.
    fn seal(&self) -> BoxFuture<'_, Result<Offset, LogletError>>;

    /// Called after [`Self::seal`] has returned `end`, and before a chain ends the loglet there. Makes sure that each cell
    /// below `end` is durable on as many units as a new loglet must have, so that the loss of a few nodes does not destroy
    /// what the chain makes part of the log. Returns the parameters for the chain: they name more units than before if the
    /// cells had to be copied to spare ones. A loglet whose seal quorum has enough copies in any case does nothing here.
    fn secure_end<'a>(
        &'a self,
        _end: Offset,
        _alive: &'a Liveness,
    ) -> BoxFuture<'a, Result<LogletParams, LogletError>> {
        Box::pin(std::future::ready(Ok(self.params().clone())))
    }

    /// Copies cells below `below` to the places that lack them, for example to a storage unit that was away. `below`
    /// must not be above a checked tail or the end of the segment. `has_ended` says that the chain ends the segment there:
    /// then a unit on which the loglet was never opened gets it, too. Returns how many copies were made. After an error
    /// some copies may have been made. The call may be repeated.
    fn replicate(&self, below: Offset, has_ended: bool) -> BoxFuture<'_, Result<u64, LogletError>>;

    /// How many of the cells below `below` each storage unit lacks. `None` for a unit that does not answer. `below` must not
    /// be above a checked tail or the end of the segment. Empty if the loglet has no units.
    fn lacking(&self, _below: Offset) -> BoxFuture<'_, Vec<(StorageId, Option<u64>)>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// The first offset that is not trimmed, as far as the loglet knows. [`Offset::ZERO`] if it does not know one.
    fn trim_point(&self) -> BoxFuture<'_, Offset> {
        Box::pin(std::future::ready(Offset::ZERO))
    }

    /// Forgets the cells below `up_to`.
    fn trim(&self, up_to: Offset) -> BoxFuture<'_, Result<(), LogletError>>;

    /// Frees the loglet on its units, after its segment has left the chain.
    fn discard(&self) -> BoxFuture<'_, Result<(), LogletError>>;
}

/// The processes that are alive, as far as the caller can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// Sequencers that may be chosen for a new loglet, best first.
    pub sequencers: Vec<Incarnation>,
    /// Storage units that may be chosen for a new loglet, ascending. Some of them may be silent.
    pub units: Vec<StorageId>,
    /// The silent ones among `units`: they take no stores now, as far as the caller can tell. A new loglet whose appends
    /// need every unit is made without them.
    pub silent: Vec<StorageId>,
    /// A new loglet must have at least this many units: a majority of the voters of the MetaStore. With fewer units,
    /// the loss of a few nodes could destroy the log, although the MetaStore would survive the loss of that many
    /// (`docs/protocol.md`, cluster 16).
    pub units_min: usize,
}

impl Liveness {
    /// The sequencer of a new loglet.
    pub(crate) fn best_sequencer(&self) -> Result<Incarnation, LogletError> {
        let none = || {
            let why = "no sequencer that may be chosen is alive (if the metadata store has only one voter, only the \
                       sequencer on the node of that voter may be chosen)";
            LogletError::Unavailable(why.to_owned())
        };
        self.sequencers.first().copied().ok_or_else(none)
    }

    /// The error of a choice that found only `count` units. `what` says what these units do, for example "are alive".
    pub(crate) fn too_few_units(&self, count: usize, what: &str) -> LogletError {
        let min = self.units_min.max(1);
        LogletError::Unavailable(format!(
            "{count} storage units {what}, but a loglet needs {min}: as many as a majority of the voters of the metadata \
             store"
        ))
    }
}

/// How far a change of the units of an ended loglet is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// The chain may name the units now: the copies that the change relies on are complete and durable.
    Ready,
    /// This many cells were copied, and some may still be missing.
    Copied(u64),
}

/// Opens loglets of one kind, and chooses the parameters of the next one. So the provider holds the policy of a
/// reconfiguration, and the virtual log holds the mechanism.
pub trait LogletProvider: Send + Sync {
    /// The kind of this provider's loglets.
    fn kind(&self) -> LogletKind;

    /// Opens a loglet by its parameters, for reading, sealing and appending. Opening changes nothing anywhere: appends
    /// are refused until the loglet's sequencer serves it.
    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError>;

    /// Creates the loglet on its units, before a chain names it. Units that are slower than a quorum may not have it yet
    /// when this returns.
    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>>;

    /// Makes the loglet's sequencer serve it, after a chain that names it was installed. There its first cell has position
    /// `start`. The call may be repeated.
    fn serve<'a>(&'a self, params: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), LogletError>>;

    /// `gone` holds loglets of one log that have left the chain. Tells their units that no chain names a loglet of that
    /// log with an ordinal below `ordinal`. The units forget what they hold of such loglets and take no more for them.
    fn raise_floor<'a>(&'a self, gone: &'a [LogletParams], ordinal: u64) -> BoxFuture<'a, Result<(), LogletError>>;

    /// Takes one step to prepare `change`, before a chain has it. The parameters `params` are those of a segment that the
    /// chain ends at `below`. A unit that the change brings in is opened sealed and gets the cells that it lacks. A step
    /// copies a few MiB at most, so that the caller may stop after each.
    ///
    /// [`Prepared::Ready`] means one of two things. The unit that replaces another one is sealed and holds, durably,
    /// every cell that is not trimmed. Or, if units are left out: each unit that stays holds every such cell.
    fn prepare_change<'a>(
        &'a self,
        params: &'a LogletParams,
        _change: &'a UnitChange,
        _below: Offset,
    ) -> BoxFuture<'a, Result<Prepared, LogletError>> {
        let why = LogletError::Unavailable(format!("loglet {} has no storage units", params.id));
        Box::pin(std::future::ready(Err(why)))
    }

    /// Chooses the parameters for `id` from the processes that are alive now. They are never a copy of the previous
    /// ones, which may name dead processes.
    fn choose_params(&self, id: LogletId, alive: &Liveness) -> Result<LogletParams, LogletError>;
}
