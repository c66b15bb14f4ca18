//! [`Shared`]: what the writing end, the readers and the checkpoint Worker of a local store share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use naxos_proto::ids::Lsn;
use naxos_proto::seams::{Clock, Disk, Instant};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::local_store::backlog::{Backlog, Pace};
use crate::local_store::database::Database;
use crate::local_store::delta::{DELTA_AGE_MAX, DELTA_BYTES_MAX, Delta, FROZEN_MAX, FrozenDelta};

/// See the module.
pub(crate) struct Shared {
    pub(crate) open: RwLock<Delta>,
    pub(crate) frozen: RwLock<Vec<Arc<FrozenDelta>>>,
    pub(crate) database: RwLock<Arc<Database>>,
    /// Held during each entry's transaction: who holds it stands between two entries.
    pub(crate) boundary: Mutex<()>,
    /// Next position to apply.
    pub(super) applied: AtomicU64,
    /// Next position to apply after a crash.
    pub(super) persisted: AtomicU64,
    /// Running checksum of all rows committed, in order (safety rule 9).
    pub(super) checksum: AtomicU64,
    pub(super) opened_at: Mutex<Instant>,
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
