//! The storage unit: write-once cells of many loglets (CORFU's flash unit, Delos's LogServer).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::completion::{Completion, Unknown};
use crate::ids::{Incarnation, LogId, LogletId, Offset, StorageId};

/// Whether a loglet's cells on a unit may have gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Offset n is stored only if n-1 is, or if the known tail is past n-1 (Delos, section 4.2.1).
    Contiguous,
    /// Any order (CORFU).
    Sparse,
}

/// How a loglet lives on a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitParams {
    /// Gaps or none.
    pub shape: Shape,
    /// The only sequencer whose stores are taken (safety rule 4).
    pub incarnation: Incarnation,
}

/// What is stored at one offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Opaque to the unit.
    pub payload: Bytes,
    /// How many client commands it carries, at least 1: the committer's pacing counts commands.
    pub commands: u32,
}

/// On whose behalf cells are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The loglet's sequencer appends.
    Append {
        /// The sequencer's known tail: everything below is on a write quorum.
        known_tail: Offset,
    },
    /// Somebody copies cells of a sealed loglet to this unit: taken although the loglet is sealed. A contiguous loglet
    /// takes no gap from it either. It carries no known tail, for the one who copies has computed only what the *next*
    /// chain may say.
    Repair,
}

/// One store request: `cells` at `at`, `at + 1`, ...
#[derive(Clone, Debug)]
pub struct Store {
    /// The loglet that they belong to.
    pub loglet: LogletId,
    /// The loglet's sequencer for life, also in a repair.
    pub incarnation: Incarnation,
    /// Offset of the first cell.
    pub at: Offset,
    /// At least one.
    pub cells: Vec<Cell>,
    /// On whose behalf.
    pub purpose: Purpose,
}

/// What became of one cell of a [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellOutcome {
    /// Durable now.
    Written,
    /// The unit held this cell already, with the same bytes, or the offset lies below the trim point: then the cell was
    /// committed, and it is forgotten. Answered whether or not the loglet is sealed.
    Same,
    /// The offset holds other bytes or junk: never overwritten.
    Different,
    /// The loglet is sealed and the unit does not hold the cell: it was certainly not stored.
    Sealed,
    /// The cell before it is missing here (contiguous loglets): not written.
    Gap,
}

/// What became of a [`Store`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// One outcome for each cell, in their order.
    pub cells: Vec<CellOutcome>,
    /// The loglet's seal bit, read after the store (safety rule 1).
    pub sealed: bool,
}

impl Stored {
    /// Whether the unit counts toward the write quorum of every cell.
    ///
    /// A cell that a sealed unit calls [`CellOutcome::Same`] does not count: the seal's repair may have put it there,
    /// after the unit told another driver of the seal a lower tail. That driver may end the segment below the cell.
    pub fn acknowledges(&self) -> bool {
        self.cells.iter().all(|cell| match cell {
            CellOutcome::Written => true,
            CellOutcome::Same => !self.sealed,
            CellOutcome::Different | CellOutcome::Sealed | CellOutcome::Gap => false,
        })
    }
}

/// What one offset holds on this unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellState {
    /// These bytes.
    Present(Bytes),
    /// Filled: the offset will never hold a value.
    Junk,
    /// Below the trim point.
    Trimmed,
    /// Not here; another unit may have it.
    Absent,
    /// The record is damaged; another unit may have it whole.
    Corrupt,
}

/// A loglet's tail on one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTail {
    /// First offset not durable here.
    pub tail: Offset,
    /// First offset not known to be on a write quorum.
    pub known_tail: Offset,
    /// Whether the seal bit is set; read after `tail` (safety rule 1).
    pub sealed: bool,
    /// First offset that is not trimmed.
    pub trim_point: Offset,
}

/// What a caller of [`StorageUnit::wait_tail`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailReaches {
    /// The local tail is at or above this offset.
    Local(Offset),
    /// The known tail is at or above this offset.
    Known(Offset),
}

impl TailReaches {
    /// Whether `tail` is what the caller waits for: the offset is reached, or the loglet is sealed.
    pub fn is_met_by(self, tail: &LocalTail) -> bool {
        tail.sealed
            || match self {
                TailReaches::Local(offset) => tail.tail >= offset,
                TailReaches::Known(offset) => tail.known_tail >= offset,
            }
    }
}

/// At most so many ranges are in one answer of [`StorageUnit::held`].
pub const HELD_RANGES_MAX: usize = 4_096;

/// An item of [`StorageUnit::follow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Cells from `at` on, every one below the known tail.
    Cells {
        /// Offset of the first.
        at: Offset,
        /// Junk or bytes.
        cells: Vec<CellState>,
    },
    /// The known tail rose (sent when no cells carry it).
    KnownTail(Offset),
    /// The loglet is sealed; the last item.
    Sealed(Offset),
}

/// Why a unit does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No [`StorageUnit::open`] for this loglet came here.
    #[error("loglet {0} was never opened on this unit")]
    NotOpen(LogletId),
    /// Dropped, or below the floor of dropped ordinals: sealed for ever (safety rule 5).
    #[error("loglet {0} was dropped; it stays sealed")]
    Dropped(LogletId),
    /// Another sequencer owns the loglet (safety rule 4).
    #[error("loglet {loglet} belongs to sequencer {owner}, not to {asker}")]
    WrongIncarnation {
        /// The loglet.
        loglet: LogletId,
        /// Its sequencer for life.
        owner: Incarnation,
        /// Who asked.
        asker: Incarnation,
    },
    /// The request breaks the contract.
    #[error("bad request to a storage unit: {0}")]
    Invalid(&'static str),
    /// The disk is (nearly) full. Nothing was written; trimming still works and makes room.
    #[error("the storage unit's disk is full: {free} bytes are free, {needed} are needed; trim or enlarge it")]
    DiskFull {
        /// Free bytes.
        free: u64,
        /// Bytes that have to stay free.
        needed: u64,
    },
    /// An earlier write or sync failed: the unit is read-only for good, until its process starts again.
    #[error("the storage unit is read-only since a disk error: {0}")]
    Poisoned(String),
    /// Too much is queued.
    #[error("the storage unit's queue is full; try again")]
    Overloaded,
    /// The unit is stopping. A store that got this may have been written: its outcome is unknown.
    #[error("the storage unit is stopping")]
    Stopped,
    /// The call was lost before the unit answered: whether it was done is unknown.
    #[error("the storage unit did not answer; it is unknown whether it did what it was asked")]
    Unanswered,
    /// A read failed.
    #[error("the storage unit cannot read: {0}")]
    Read(String),
}

impl UnitError {
    /// Whether a change that got this may have been made all the same. With any other error nothing was changed.
    pub fn is_unknown(&self) -> bool {
        matches!(self, UnitError::Poisoned(_) | UnitError::Stopped | UnitError::Unanswered)
    }
}

impl Unknown for UnitError {
    fn unknown() -> Self {
        UnitError::Unanswered
    }
}

/// One unit. All calls may come from any thread.
///
/// Ordering: calls that change a loglet take effect in the order in which they are made by one caller; a seal is
/// ordered against stores in flight (safety rule 5).
/// # Cancel safety
/// A dropped future may or may not have acted; every call may be repeated.
pub trait StorageUnit: Send + Sync {
    /// Whose data directory this is.
    fn storage_id(&self) -> StorageId;

    /// Makes the loglet exist here, durably. Repeating it with equal parameters is no error.
    fn open(&self, loglet: LogletId, params: UnitParams) -> BoxFuture<'_, Result<(), UnitError>>;

    /// Stores cells. Enqueues when called; `done` gets the outcome once all cells are durable or refused, on the
    /// committer's thread, in the order of the calls. Whether an error leaves the outcome open is said by
    /// [`UnitError::is_unknown`].
    fn store(&self, store: Store, done: Completion<Result<Stored, UnitError>>);

    /// Reads `range`, at least one cell and then up to about `max_bytes`; stops early rather than exceed it.
    fn read(
        &self,
        loglet: LogletId,
        range: Range<Offset>,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<CellState>, UnitError>>;

    /// Writes junk at `at` unless something is there: the outcome says which. An offset below the trim point answers
    /// `Different`: nobody can say any more whether it held a value.
    fn fill(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        at: Offset,
    ) -> BoxFuture<'_, Result<CellOutcome, UnitError>>;

    /// Sets the seal bit, durably, after all stores that came before; answers the local tail behind it. Idempotent.
    fn seal(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>>;

    /// Forgets the cells below `up_to`. Works on a full disk.
    fn trim(&self, loglet: LogletId, up_to: Offset) -> BoxFuture<'_, Result<(), UnitError>>;

    /// The local tail.
    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>>;

    /// The local tail from memory, without yielding; `None` when the unit is not in this process.
    fn tail_now(&self, loglet: LogletId) -> Option<Result<LocalTail, UnitError>>;

    /// Resolves once the tail reaches what is asked for, or the loglet is sealed: the tail then, as one value.
    fn wait_tail(&self, loglet: LogletId, until: TailReaches) -> BoxFuture<'_, Result<LocalTail, UnitError>>;

    /// Which offsets of `range` this unit holds and can read, junk included: ascending ranges that do not touch, at most
    /// [`HELD_RANGES_MAX`] of them. After that many the caller goes on from the end of the last one. The local tail does
    /// not tell this: below it a cell may be missing, trimmed or damaged.
    fn held(&self, loglet: LogletId, range: Range<Offset>) -> BoxFuture<'_, Result<Vec<Range<Offset>>, UnitError>>;

    /// Raises the known tail where no store carries it. Not durable.
    fn advance(&self, loglet: LogletId, known_tail: Offset);

    /// Cells from `from` on as they become known to be committed, read from the cache or the disk; ends after
    /// [`Followed::Sealed`]. Bounded: a slow follower reads from disk later.
    fn follow(&self, loglet: LogletId, from: Offset) -> BoxStream<'static, Result<Followed, UnitError>>;

    /// Frees the loglet and leaves a tombstone: its id answers [`UnitError::Dropped`] for ever.
    fn drop_loglet(&self, loglet: LogletId) -> BoxFuture<'_, Result<(), UnitError>>;

    /// Folds tombstones: ids of `log` with an ordinal below `ordinal` answer [`UnitError::Dropped`] for ever, whether they
    /// were opened here or not. A floor never falls. The caller answers for it that no chain names a lower ordinal.
    fn raise_floor(&self, log: LogId, ordinal: u64) -> BoxFuture<'_, Result<(), UnitError>>;
}

/// Finds the units that a chain names.
pub trait UnitDirectory: Send + Sync {
    /// The unit with that data directory, in this process or behind a connection.
    fn unit(&self, storage: StorageId) -> Option<Arc<dyn StorageUnit>>;
}
