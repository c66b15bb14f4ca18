//! The storage unit: holds cells of many loglets, each written once (CORFU's flash unit, Delos's LogServer).

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
    /// Offsets may be stored in any order (CORFU).
    Sparse,
}

/// The parameters of a loglet on a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitParams {
    /// Whether the cells may have gaps.
    pub shape: Shape,
    /// The only sequencer whose stores are accepted (safety rule 4).
    pub incarnation: Incarnation,
}

/// The cells of one append have at most this many bytes together. A storage unit with the default length of segments
/// takes them as one store, and a call between nodes has room for them.
pub const APPEND_BYTES_MAX: usize = 11 << 20;

/// The value at one offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The bytes of the cell. The unit does not look into them.
    pub payload: Bytes,
    /// How many client commands the cell carries, at least 1. The unit counts them for its pacing and for the bound
    /// of its queue.
    pub commands: u32,
    /// Whether the payload begins with a [`StreamHeader`](crate::streams::StreamHeader) that the sequencer has to fill in.
    /// A unit does not care.
    pub in_streams: bool,
}

impl Cell {
    /// A cell that carries one command and is in no stream.
    pub fn new(payload: Bytes) -> Self {
        Self { payload, commands: 1, in_streams: false }
    }
}

/// For what purpose cells are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The loglet's sequencer appends them.
    Append {
        /// The sequencer's known tail: everything below it is on a write quorum.
        known_tail: Offset,
    },
    /// A process copies cells or junk of a sealed loglet to this unit. This is accepted although the loglet is sealed.
    /// Even so, a contiguous loglet does not accept a gap. The request carries no known tail, because the copying process
    /// does not know which of the cells are committed: the chain that ends the segment decides that, and another
    /// process may install one with a lower end.
    Repair,
}

/// One store request: `cells` at `at`, `at + 1`, ...
#[derive(Clone, Debug)]
pub struct Store {
    /// The loglet that the cells belong to.
    pub loglet: LogletId,
    /// The loglet's sequencer, even in a repair.
    pub incarnation: Incarnation,
    /// Offset of the first cell.
    pub at: Offset,
    /// The cells, at least one.
    pub cells: Vec<Cell>,
    /// The purpose of the store.
    pub purpose: Purpose,
}

/// The result for one cell of a [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellOutcome {
    /// The cell is durable now.
    Written,
    /// The unit already held the cell with the same bytes; or the offset is below the trim point, so the cell was
    /// committed and then forgotten. The answer is the same whether or not the loglet is sealed.
    Same,
    /// The offset holds other bytes, junk or a damaged cell. None of these is ever overwritten, with one exception: a
    /// repair replaces a damaged cell, and then the outcome is [`CellOutcome::Written`].
    Different,
    /// The loglet is sealed and the unit does not hold the cell. It was certainly not stored.
    Sealed,
    /// Not written: the cell before this one is missing on the unit (contiguous loglets).
    Gap,
}

/// The result of a [`Store`].
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
    /// A cell that a sealed unit answers with [`CellOutcome::Same`] does not count. A repair may have put it there
    /// after the unit reported a lower tail to another process that seals the loglet. That process may end the segment
    /// below the cell.
    pub fn acknowledges(&self) -> bool {
        self.cells.iter().all(|cell| match cell {
            CellOutcome::Written => true,
            CellOutcome::Same => !self.sealed,
            CellOutcome::Different | CellOutcome::Sealed | CellOutcome::Gap => false,
        })
    }
}

/// The state of one offset on this unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellState {
    /// The offset holds these bytes.
    Present(Bytes),
    /// The offset was filled and will never hold a value.
    Junk,
    /// The offset is below the trim point.
    Trimmed,
    /// The cell is not on this unit. Another unit may have it.
    Absent,
    /// The cell's record is damaged. Another unit may have it whole.
    Corrupt,
}

/// A loglet's tail on one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTail {
    /// One past the highest offset that was written or trimmed on this unit. Cells below it may be missing here.
    pub tail: Offset,
    /// The first offset that is not known to be on a write quorum.
    pub known_tail: Offset,
    /// Whether the seal bit is set. It is read after `tail` (safety rule 1).
    pub sealed: bool,
    /// The first offset that is not trimmed.
    pub trim_point: Offset,
}

/// The condition for which a caller of [`StorageUnit::wait_tail`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailReaches {
    /// The local tail is at or above this offset.
    Local(Offset),
    /// The known tail is at or above this offset.
    Known(Offset),
}

impl TailReaches {
    /// Whether `tail` fulfils the condition: the offset is reached, or the loglet is sealed.
    pub fn is_met_by(self, tail: &LocalTail) -> bool {
        tail.sealed
            || match self {
                TailReaches::Local(offset) => tail.tail >= offset,
                TailReaches::Known(offset) => tail.known_tail >= offset,
            }
    }
}

/// An answer of [`StorageUnit::held`] has at most this many ranges.
pub const HELD_RANGES_MAX: usize = 4_096;

/// An item of the stream of [`StorageUnit::follow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Cells from `at` on. All of them are below the known tail.
    Cells {
        /// Offset of the first cell.
        at: Offset,
        /// The cells in order.
        cells: Vec<CellState>,
    },
    /// The known tail. This unit does not have all the committed cells below it yet, so it sends the known tail alone.
    KnownTail(Offset),
    /// The loglet is sealed, and this is its local tail. This is the last item.
    Sealed(Offset),
}

/// Why a unit did not carry out a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The loglet was never opened on this unit with [`StorageUnit::open`].
    #[error("loglet {0} was never opened on this unit")]
    NotOpen(LogletId),
    /// The loglet was dropped, or its ordinal is below the floor of dropped ordinals: sealed for ever (safety rule 5).
    #[error("loglet {0} was dropped; it stays sealed")]
    Dropped(LogletId),
    /// Another sequencer owns the loglet (safety rule 4).
    #[error("loglet {loglet} belongs to sequencer {owner}, not to {asker}")]
    WrongIncarnation {
        /// The loglet.
        loglet: LogletId,
        /// The loglet's sequencer for its whole life.
        owner: Incarnation,
        /// The sequencer that the request names.
        asker: Incarnation,
    },
    /// The request breaks the contract.
    #[error("bad request to a storage unit: {0}")]
    Invalid(&'static str),
    /// The disk is full or nearly so. Nothing was written. Trimming makes room, and some room is kept for trims.
    #[error(
        "the storage unit's disk is full: {free} bytes are free, {needed} are needed; trim the log or enlarge the disk"
    )]
    DiskFull {
        /// How many bytes are free.
        free: u64,
        /// How many bytes have to be free.
        needed: u64,
    },
    /// An earlier write or sync failed. The unit is read-only until its process is started again.
    #[error("the storage unit is read-only since a disk error: {0}")]
    Poisoned(String),
    /// The queue is full.
    #[error("the storage unit's queue is full; try again")]
    Overloaded,
    /// The unit is stopping. A store with this answer may have been written: its outcome is unknown.
    #[error("the storage unit is stopping")]
    Stopped,
    /// The call was lost before the unit answered, so its outcome is unknown.
    #[error("the storage unit did not answer; it is unknown whether it did what it was asked")]
    Unanswered,
    /// Reading failed.
    #[error("the storage unit cannot read: {0}")]
    Read(String),
}

impl UnitError {
    /// Whether a change that failed with this error may have been made all the same. After any other error nothing was
    /// changed.
    pub fn is_unknown(&self) -> bool {
        matches!(self, UnitError::Poisoned(_) | UnitError::Stopped | UnitError::Unanswered)
    }
}

impl Unknown for UnitError {
    fn unknown() -> Self {
        UnitError::Unanswered
    }
}

/// One storage unit. Any thread may make any call.
///
/// Ordering: the changes that one caller makes to a loglet take effect in the order of the calls. A seal is ordered
/// with the stores that are in flight (safety rule 5).
/// # Cancel safety
/// If a future is dropped, the call may or may not have been done. Every call may be repeated.
pub trait StorageUnit: Send + Sync {
    /// The id of the unit's data directory.
    fn storage_id(&self) -> StorageId;

    /// Creates the loglet on this unit, durably. The call may be repeated with equal parameters.
    fn open(&self, loglet: LogletId, params: UnitParams) -> BoxFuture<'_, Result<(), UnitError>>;

    /// Stores cells. It enqueues them before it returns. `done` gets the outcome once all cells are durable or
    /// refused, in the order of the calls. A unit in this process calls `done` on the committer's thread, a unit of
    /// another node on the runtime of its link. But a store that cannot be enqueued is refused at once, on the caller's
    /// thread. [`UnitError::is_unknown`] says whether the outcome is unknown after an error.
    fn store(&self, store: Store, done: Completion<Result<Stored, UnitError>>);

    /// Reads the cells of `range` from its start on, as many as fit in about `max_bytes`, but at least one.
    fn read(
        &self,
        loglet: LogletId,
        range: Range<Offset>,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<CellState>, UnitError>>;

    /// Stores junk at `at`. The answer has one outcome and the seal bit. They mean the same as for a store: junk is
    /// written once, obeys the same rules as a cell, and is `Same` only if the offset holds junk. There is one
    /// difference: an offset below the trim point answers `Different`, because nobody can tell any more whether it held
    /// a value.
    fn fill(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        at: Offset,
        purpose: Purpose,
    ) -> BoxFuture<'_, Result<Stored, UnitError>>;

    /// Sets the seal bit durably, after all earlier stores. Returns the local tail after the seal. Idempotent.
    fn seal(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>>;

    /// Forgets the cells below `up_to`. Works on a full disk until the room that is kept for trims is used up.
    fn trim(&self, loglet: LogletId, up_to: Offset) -> BoxFuture<'_, Result<(), UnitError>>;

    /// The local tail.
    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>>;

    /// The local tail from memory, without waiting. `None` if the unit is not in this process.
    fn tail_now(&self, loglet: LogletId) -> Option<Result<LocalTail, UnitError>>;

    /// Waits until the condition `until` is met or the loglet is sealed. Returns the tail at that moment.
    fn wait_tail(&self, loglet: LogletId, until: TailReaches) -> BoxFuture<'_, Result<LocalTail, UnitError>>;

    /// A stream of the loglet's tail on this unit, for processes that conclude from the tails of several units which
    /// appends are on a write quorum. Each value is durable, and its seal bit is not older than its tail (safety rule
    /// 1). The first one comes at once, later ones when the tail or the seal bit has changed; only the newest value is
    /// told.
    /// While little is queued a change is told at once, under load at least every few milliseconds. The stream ends after
    /// a value with the seal bit, or with an error.
    ///
    /// A told tail acknowledges appends. It answers no tail check, because it may be older than the question.
    fn tell_tails(&self, loglet: LogletId) -> BoxStream<'static, Result<LocalTail, UnitError>>;

    /// The offsets of `range` that this unit holds and can read, including junk: ascending ranges that do not touch,
    /// at most [`HELD_RANGES_MAX`] of them. If there are that many, the caller goes on from the end of the last one.
    /// The local tail is not enough for this, because a cell below it may be missing, trimmed or damaged.
    fn held(&self, loglet: LogletId, range: Range<Offset>) -> BoxFuture<'_, Result<Vec<Range<Offset>>, UnitError>>;

    /// Raises the known tail. The sequencer calls this when it has no store that could carry the new value. The
    /// new value is not durable.
    fn advance(&self, loglet: LogletId, known_tail: Offset);

    /// A stream of the cells from `from` on, as they become known to be committed, read from the cache or the disk. It
    /// ends after [`Followed::Sealed`]. No cells are kept for a slow follower: it reads them from disk later.
    fn follow(&self, loglet: LogletId, from: Offset) -> BoxStream<'static, Result<Followed, UnitError>>;

    /// Frees the loglet and leaves a tombstone. From then on its id answers [`UnitError::Dropped`] for ever.
    fn drop_loglet(&self, loglet: LogletId) -> BoxFuture<'_, Result<(), UnitError>>;

    /// Replaces tombstones: ids of `log` with an ordinal below `ordinal` answer [`UnitError::Dropped`] for ever,
    /// whether or not they were opened here. A floor never falls. The caller must be sure that no chain names a lower
    /// ordinal.
    fn raise_floor(&self, log: LogId, ordinal: u64) -> BoxFuture<'_, Result<(), UnitError>>;
}

/// Finds the storage units that a chain names.
pub trait UnitDirectory: Send + Sync {
    /// The unit with that data directory, in this process or in another one. `None` if it is not known here.
    fn unit(&self, storage: StorageId) -> Option<Arc<dyn StorageUnit>>;
}
