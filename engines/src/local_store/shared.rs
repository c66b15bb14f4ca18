//! [`Shared`]: the state that the writer, the readers and the checkpoint Worker of a local store share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use naxos_proto::ids::Lsn;
use naxos_proto::seams::{Clock, Disk, Instant};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::local_store::backlog::{Backlog, Pace};
use crate::local_store::database::Database;
use crate::local_store::delta::{DELTA_AGE_MAX, DELTA_BYTES_MAX, Delta, FROZEN_MAX, FrozenDelta};
use crate::local_store::marks::Marks;

/// After this many positions without rows, the cursor is written alone.
const EMPTY_POSITIONS_MAX: u64 = 65_536;

/// The shared state of a local store; see the module.
pub(crate) struct Shared {
    pub(crate) open: RwLock<Delta>,
    pub(crate) frozen: RwLock<Vec<Arc<FrozenDelta>>>,
    pub(crate) database: RwLock<Arc<Database>>,
    /// Held during each entry's transaction. Any other thread that holds it knows that no entry is half applied.
    pub(crate) boundary: Mutex<()>,
    /// The next position to apply.
    pub(super) applied: AtomicU64,
    /// The next position to apply after a crash.
    pub(super) persisted: AtomicU64,
    /// The running checksum of all changes of the applied entries (safety rule 9).
    pub(super) checksum: AtomicU64,
    /// The running checksum at fixed positions.
    pub(super) marks: Mutex<Marks>,
    /// The position at which this store was found to differ from those of the other replicas; 0 if it was not.
    pub(super) differs: AtomicU64,
    /// Whether `differs` has to be written with the next delta, even if that is empty.
    pub(super) differs_unwritten: AtomicBool,
    /// Whether the file has `differs`.
    pub(super) differs_durable: AtomicBool,
    /// When the open delta began: at the last freeze, or when the store was opened.
    pub(super) opened_at: Mutex<Instant>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    /// Signals that a delta was frozen.
    pub(crate) frozen_some: Notify,
    /// Signals that the open delta should be frozen, whatever its size and age.
    pub(crate) freeze_wanted: Notify,
    /// Signals that a frozen delta was written and dropped. Callers that waited for the checkpoint may go on.
    pub(crate) moved: Notify,
    pub(crate) backlog: Backlog,
    /// Size of redb's file in bytes after the last checkpoint. The room that a checkpoint needs is estimated from it.
    pub(crate) file_bytes: AtomicU64,
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

    /// The position at which this store was found to differ from those of the other replicas.
    pub(crate) fn differs(&self) -> Option<Lsn> {
        Some(Lsn(self.differs.load(Ordering::Acquire))).filter(|at| *at > Lsn::ZERO)
    }

    /// Notes that this store differs from those of the other replicas at position `at`.
    pub(crate) fn note_differs(&self, at: Lsn) {
        let _boundary = self.boundary.lock();
        if self.differs.load(Ordering::Acquire) == 0 {
            self.differs.store(at.0, Ordering::Release);
            self.differs_unwritten.store(true, Ordering::Release);
            self.freeze_wanted.notify_one();
        }
    }

    /// Forgets that this store differs.
    pub(crate) fn clear_differs(&self) {
        let _boundary = self.boundary.lock();
        self.differs.store(0, Ordering::Release);
        self.differs_unwritten.store(true, Ordering::Release);
        self.freeze_wanted.notify_one();
    }

    /// Publishes an entry whose rows are in the open delta already. The caller holds `boundary`.
    pub(crate) fn publish(&self, next: Lsn, checksum: u64) {
        if Marks::is_due(self.applied(), next) {
            self.marks.lock().note(next, checksum);
        }
        self.checksum.store(checksum, Ordering::Release);
        self.applied.store(next.0, Ordering::Release);
    }

    /// Notes that the log was replayed.
    pub(crate) fn note_replayed(&self) {
        let _boundary = self.boundary.lock();
        self.note_open_bytes();
        self.backlog.note_replayed();
    }

    /// Free bytes of the disk. `u64::MAX` if the disk does not report them: then only a write finds out whether there
    /// is room.
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

    /// Updates the backlog with the size of the open delta. The caller holds `boundary`.
    fn note_open_bytes(&self) -> usize {
        let bytes = self.open.read().bytes();
        self.backlog.set_open_bytes(bytes);
        bytes
    }

    pub(crate) fn pace(&self) -> Pace<'_> {
        Pace::new(&*self.clock, &self.backlog)
    }

    /// Whether the open delta is old enough to be frozen.
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

    /// Freezes the open delta, if one more may be frozen. An empty delta is frozen only if `differs` has to be written
    /// with it, or if many positions without rows were applied since the last freeze: a start would read them all again.
    /// Returns whether the delta was frozen. The caller holds `boundary`.
    pub(crate) fn freeze(&self) -> bool {
        let mut open = self.open.write();
        let mut frozen = self.frozen.write();
        let has_note = self.differs_unwritten.load(Ordering::Acquire);
        let last = frozen.last().map_or(self.persisted(), |frozen| frozen.cursor);
        let is_behind = self.applied().distance_from(last) >= EMPTY_POSITIONS_MAX;
        if (open.is_empty() && !has_note && !is_behind) || frozen.len() >= FROZEN_MAX {
            return false;
        }
        self.differs_unwritten.store(false, Ordering::Release);
        let delta = std::mem::take(&mut *open);
        let (cursor, checksum, differs) = (self.applied(), self.checksum(), self.differs());
        frozen.push(Arc::new(FrozenDelta { delta, cursor, checksum, differs }));
        self.backlog.note_freeze(frozen.len());
        *self.opened_at.lock() = self.clock.now();
        true
    }
}
