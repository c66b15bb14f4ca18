//! The local store: a deterministic function of the log (Delos, SOSP'21, section 3.2).
//!
//! The log is the write-ahead log, so nothing here syncs when an entry is acknowledged. [`Txn::commit`] publishes one
//! entry in memory; a checkpoint makes many durable in one redb transaction, behind. Reads look at the open delta, the
//! frozen ones and redb, in that order, which is also the order in which rows move.
//!
//! Invariants: data and cursor commit together (safety rule 8), in memory and on disk; a delta is frozen only between
//! two entries; at most [`FROZEN_MAX`] deltas are frozen, and beyond that proposals wait ([`StoreReader::is_behind`]).

mod backend;
mod checkpoint;
mod database;
mod delta;
mod held;
mod opening;
mod reader;
mod row_key;
mod rows_ahead;
mod txn;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use naxos_proto::ids::Lsn;
use naxos_proto::seams::{Clock, Disk, Instant};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

pub use checkpoint::{CheckpointStats, Checkpointer, Defragmenter};
use database::Database;
pub use database::StoreError;
use delta::{Delta, FrozenDelta};
pub use opening::{FoundStore, StoreExpected, VERIFIED_BYTES_MAX, catches_panics};
pub use reader::StoreReader;
pub use row_key::{RowKey, TableId, tables};
pub use rows_ahead::{Row, RowsAhead};
pub use txn::Txn;

/// Frozen deltas that wait for the checkpoint; with more, proposals wait too.
pub const FROZEN_MAX: usize = 2;
/// An open delta of this many bytes is frozen at the next entry's end.
pub const DELTA_BYTES_MAX: usize = 8 << 20;
/// What may be applied on top of what was replayed, however much that was: a node that starts has to announce itself, on a
/// full disk too, where no checkpoint takes anything away.
const START_BYTES_MAX: usize = 1 << 20;
/// An open delta that is older than this is frozen.
pub const DELTA_AGE_MAX: Duration = Duration::from_secs(1);

pub(crate) struct Shared {
    pub(crate) open: RwLock<Delta>,
    pub(crate) frozen: RwLock<Vec<Arc<FrozenDelta>>>,
    pub(crate) database: RwLock<Arc<Database>>,
    /// Held during each entry's transaction: who holds it stands between two entries.
    pub(crate) boundary: Mutex<()>,
    /// Next position to apply.
    applied: AtomicU64,
    /// Next position to apply after a crash.
    persisted: AtomicU64,
    /// Running checksum of all rows committed, in order (safety rule 9).
    checksum: AtomicU64,
    opened_at: Mutex<Instant>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) freeze_wanted: Notify,
    /// A frozen delta was dropped: who waits because the store was behind may go on.
    pub(crate) moved: Notify,
    /// Bytes of the open delta and number of frozen ones, as of the last entry or checkpoint: proposers look at them
    /// without the locks that apply takes for every row.
    open_bytes: AtomicUsize,
    frozen_count: AtomicUsize,
    /// With so many bytes in the open delta proposals wait, if no more deltas may be frozen: [`DELTA_BYTES_MAX`], or more
    /// while the open delta is one that was replayed.
    open_bytes_max: AtomicUsize,
    /// Rows in redb and their bytes, as of the last checkpoint, for quota and metrics.
    pub(crate) file_bytes: AtomicU64,
}

/// See the module.
pub struct LocalStore {
    shared: Arc<Shared>,
}

impl LocalStore {
    /// Opens or makes the store in the disk's root, whoever wrote it.
    pub async fn open(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        FoundStore::open(disk, clock, None).await?.accept().await
    }

    /// The same, of a data directory that tells what to expect. A file that is refused, here or by who loads its rows
    /// before [`FoundStore::accept`], is as it was.
    pub async fn open_expected(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        expected: StoreExpected,
    ) -> Result<FoundStore, StoreError> {
        FoundStore::open(disk, clock, Some(expected)).await
    }

    fn over(database: Database, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let (cursor, checksum) = database.cursor()?;
        let shared = Shared {
            open: RwLock::new(Delta::default()),
            frozen: RwLock::new(Vec::new()),
            file_bytes: AtomicU64::new(database.file_bytes()),
            database: RwLock::new(Arc::new(database)),
            boundary: Mutex::new(()),
            applied: AtomicU64::new(cursor.0),
            persisted: AtomicU64::new(cursor.0),
            checksum: AtomicU64::new(checksum),
            opened_at: Mutex::new(clock.now()),
            clock,
            disk,
            freeze_wanted: Notify::new(),
            moved: Notify::new(),
            open_bytes: AtomicUsize::new(0),
            frozen_count: AtomicUsize::new(0),
            open_bytes_max: AtomicUsize::new(DELTA_BYTES_MAX),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Starts the transaction of one entry.
    pub fn begin(&mut self) -> Txn<'_> {
        Txn::new(&self.shared)
    }

    /// The next position to apply.
    pub fn applied(&self) -> Lsn {
        self.shared.applied()
    }

    /// Reads from any thread.
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(Arc::clone(&self.shared))
    }

    /// The body of the checkpoint Worker, which leaves `reserve_bytes` of the disk free when it copies the file.
    pub fn checkpointer(&self, reserve_bytes: u64) -> Checkpointer {
        Checkpointer::new(Arc::clone(&self.shared), reserve_bytes)
    }
}

impl Shared {
    pub(crate) fn applied(&self) -> Lsn {
        Lsn(self.applied.load(Ordering::Acquire))
    }

    pub(crate) fn persisted(&self) -> Lsn {
        Lsn(self.persisted.load(Ordering::Acquire))
    }

    pub(crate) fn checksum(&self) -> u64 {
        self.checksum.load(Ordering::Acquire)
    }

    pub(crate) fn set_persisted(&self, cursor: Lsn) {
        self.persisted.store(cursor.0, Ordering::Release);
    }

    /// Publishes an entry: its rows are in the open delta already.
    pub(crate) fn publish(&self, next: Lsn, checksum: u64) {
        self.checksum.store(checksum, Ordering::Release);
        self.applied.store(next.0, Ordering::Release);
    }

    /// Whether as many deltas wait as may.
    pub(crate) fn frozen_is_full(&self) -> bool {
        self.frozen_count.load(Ordering::Relaxed) >= FROZEN_MAX
    }

    /// Whether the checkpoint is so far behind that nothing more should be proposed.
    pub(crate) fn is_behind(&self) -> bool {
        self.frozen_is_full() && self.open_bytes.load(Ordering::Relaxed) >= self.open_bytes_max.load(Ordering::Relaxed)
    }

    /// Whether it soon will be.
    fn is_late(&self) -> bool {
        self.frozen_is_full()
            && self.open_bytes.load(Ordering::Relaxed) >= self.open_bytes_max.load(Ordering::Relaxed) / 2
    }

    /// The log has been replayed: see [`START_BYTES_MAX`].
    pub(crate) fn note_replayed(&self) {
        let _boundary = self.boundary.lock();
        let admitted = self.note_open_bytes() + START_BYTES_MAX;
        self.open_bytes_max.store(admitted.max(DELTA_BYTES_MAX), Ordering::Relaxed);
    }

    /// Free bytes of the disk. One that does not tell is found out by the write.
    pub(crate) async fn free_bytes(&self) -> u64 {
        self.disk.free_bytes().await.unwrap_or(u64::MAX)
    }

    /// Takes note of what has come into the open delta, and freezes it if it is full or old. The caller holds `boundary`.
    pub(crate) fn note_changes(&self) {
        let full = self.note_open_bytes() >= DELTA_BYTES_MAX;
        if (full || self.is_old()) && self.freeze() {
            self.freeze_wanted.notify_one();
        }
    }

    /// Takes note of the open delta's size. The caller holds `boundary`.
    fn note_open_bytes(&self) -> usize {
        let bytes = self.open.read().bytes();
        self.open_bytes.store(bytes, Ordering::Relaxed);
        bytes
    }

    pub(crate) fn pace(&self) -> Pace<'_> {
        Pace(self)
    }

    /// Whether the open delta is to be frozen for its age.
    pub(crate) fn is_old(&self) -> bool {
        self.clock.now().since(*self.opened_at.lock()) >= DELTA_AGE_MAX
    }

    /// Drops the oldest frozen delta, which is durable.
    pub(crate) fn drop_frozen(&self) {
        let mut frozen = self.frozen.write();
        frozen.remove(0);
        self.frozen_count.store(frozen.len(), Ordering::Relaxed);
        drop(frozen);
        self.moved.notify_one();
    }

    /// Freezes the open delta, if there is one and there is room. The caller holds `boundary`.
    pub(crate) fn freeze(&self) -> bool {
        let mut open = self.open.write();
        let mut frozen = self.frozen.write();
        if open.is_empty() || frozen.len() >= FROZEN_MAX {
            return false;
        }
        let delta = std::mem::take(&mut *open);
        frozen.push(Arc::new(FrozenDelta { delta, cursor: self.applied(), checksum: self.checksum() }));
        self.frozen_count.store(frozen.len(), Ordering::Relaxed);
        self.open_bytes.store(0, Ordering::Relaxed);
        self.open_bytes_max.store(DELTA_BYTES_MAX, Ordering::Relaxed);
        *self.opened_at.lock() = self.clock.now();
        true
    }
}

/// How a checkpoint leaves the cores and the device to others.
#[derive(Clone, Copy)]
pub(crate) struct Pace<'a>(&'a Shared);

impl Pace<'_> {
    /// Rests, unless proposals would soon wait for the checkpoint.
    pub(crate) async fn rest(&self, pause: Duration) {
        if !self.0.is_late() {
            self.0.clock.sleep(pause).await;
        }
    }
}
