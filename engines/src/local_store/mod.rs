//! The local store: a deterministic function of the log (Delos, SOSP'21, section 3.2).
//!
//! The log is the write-ahead log, so nothing here syncs when an entry is acknowledged. [`Txn::commit`] publishes one
//! entry in memory; a checkpoint makes many durable in one redb transaction, behind. Reads look at the open delta, the
//! frozen ones and redb, in that order, which is also the order in which rows move.
//!
//! Invariants: data and cursor commit together (safety rule 8), in memory and on disk; a delta is frozen only between
//! two entries; at most [`FROZEN_MAX`] deltas are frozen, and beyond that proposals wait ([`StoreReader::is_behind`]).

mod backend;
mod backlog;
mod checkpoint;
mod checksum;
mod damage;
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
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use naxos_proto::ids::Lsn;
use naxos_proto::seams::{Clock, Disk, Instant};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use backlog::{Backlog, Pace};
pub use checkpoint::{CheckpointStats, Checkpointer, Defragmenter};
pub use damage::catches_panics;
use database::Database;
pub use database::StoreError;
use delta::{Delta, FrozenDelta};
pub use opening::{FoundStore, StoreExpected, VERIFIED_BYTES_MAX};
pub use reader::StoreReader;
pub use row_key::{RowKey, TableId, tables};
pub use rows_ahead::{Row, RowsAhead};
pub use txn::Txn;

/// Frozen deltas that wait for the checkpoint; with more, proposals wait too.
pub const FROZEN_MAX: usize = 2;
/// An open delta of this many bytes is frozen at the end of the entry or the purge.
pub const DELTA_BYTES_MAX: usize = 8 << 20;
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
    /// A delta was frozen.
    pub(crate) frozen_some: Notify,
    /// Whatever its size and age, the open delta should be frozen.
    pub(crate) freeze_wanted: Notify,
    /// A frozen delta was dropped: who waits because the store was behind may go on.
    pub(crate) moved: Notify,
    pub(crate) backlog: Backlog,
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
            frozen_some: Notify::new(),
            freeze_wanted: Notify::new(),
            moved: Notify::new(),
            backlog: Backlog::new(),
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

    /// The log has been replayed.
    pub(crate) fn note_replayed(&self) {
        let _boundary = self.boundary.lock();
        self.note_open_bytes();
        self.backlog.note_replayed();
    }

    /// Free bytes of the disk. One that does not tell is found out by the write.
    pub(crate) async fn free_bytes(&self) -> u64 {
        self.disk.free_bytes().await.unwrap_or(u64::MAX)
    }

    /// Freezes the open delta if it is full or old. The caller holds `boundary`.
    pub(crate) fn freeze_if_due(&self) {
        let full = self.note_open_bytes() >= DELTA_BYTES_MAX;
        if (full || self.is_old()) && self.freeze() {
            self.frozen_some.notify_one();
        }
    }

    /// The caller holds `boundary`.
    fn note_open_bytes(&self) -> usize {
        let bytes = self.open.read().bytes();
        self.backlog.set_open_bytes(bytes);
        bytes
    }

    pub(crate) fn pace(&self) -> Pace<'_> {
        Pace::new(&*self.clock, &self.backlog)
    }

    /// Whether the open delta is to be frozen for its age.
    pub(crate) fn is_old(&self) -> bool {
        self.clock.now().since(*self.opened_at.lock()) >= DELTA_AGE_MAX
    }

    /// Drops the oldest frozen delta, which is durable.
    pub(crate) fn drop_frozen(&self) {
        let mut frozen = self.frozen.write();
        frozen.remove(0);
        self.backlog.set_frozen(frozen.len());
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
        self.backlog.note_freeze(frozen.len());
        *self.opened_at.lock() = self.clock.now();
        true
    }
}
