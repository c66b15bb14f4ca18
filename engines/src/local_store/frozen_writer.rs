//! [`FrozenWriter`]: makes frozen deltas durable, oldest first, each in a redb transaction of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::local_store::delta::FrozenDelta;
use crate::local_store::shared::Shared;
use crate::local_store::store_error::StoreError;

/// Facts about one checkpoint, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointStats {
    /// How long the transaction took, including its syncs and pauses. If it waited for room on the disk, this is the
    /// time of the last attempt alone.
    pub took: Duration,
    /// Number of rows changed.
    pub rows: usize,
}

/// Makes frozen deltas durable; see the module.
pub(super) struct FrozenWriter {
    shared: Arc<Shared>,
    /// Whether the oldest frozen delta is committed in memory but not durable yet. It stays so while there is no room
    /// on the disk.
    committed: AtomicBool,
    /// Whether the warning that a checkpoint waits for room was logged already.
    told: AtomicBool,
}

impl FrozenWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, committed: AtomicBool::new(false), told: AtomicBool::new(false) }
    }

    /// Freezes the open delta, if there is something to write and one more may be frozen; see [`Shared::freeze`].
    pub(super) fn freeze(&self) {
        let _boundary = self.shared.boundary.lock();
        self.shared.freeze();
    }

    /// Writes all frozen deltas for which there is room.
    pub(super) async fn write_frozen(&self, observe: &impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        while let Some(frozen) = self.first_frozen().await {
            if !self.write_first(&frozen, observe).await? {
                break;
            }
        }
        Ok(())
    }

    /// The oldest frozen delta, if there is one and the disk has room for it. A delta that is committed in memory
    /// already is always returned, because writing the rest of it only has to be tried again.
    pub(super) async fn first_frozen(&self) -> Option<Arc<FrozenDelta>> {
        let frozen = self.shared.frozen.read().first().cloned()?;
        if self.committed.load(Ordering::Relaxed) {
            return Some(frozen);
        }
        let needed = frozen.delta.checkpoint_bytes(0, self.shared.file_bytes.load(Ordering::Relaxed));
        let free = self.shared.free_bytes().await;
        if free < needed {
            if !self.told.swap(true, Ordering::Relaxed) {
                tracing::warn!(free, needed, "the disk has no room for a checkpoint, which waits");
            }
            return None;
        }
        Some(frozen)
    }

    /// Writes the oldest frozen delta. Returns false if the disk was filled meanwhile. Readers then see the delta in
    /// redb, but it is not durable; the next call goes on with it.
    pub(super) async fn write_first(
        &self,
        frozen: &FrozenDelta,
        observe: &impl Fn(CheckpointStats),
    ) -> Result<bool, StoreError> {
        let began = self.shared.clock.now();
        let database = Arc::clone(&self.shared.database.read());
        let mut pace = self.shared.pace();
        if !self.committed.load(Ordering::Relaxed) {
            let written = database.write_delta(frozen, &mut pace).await;
            database.settle().await;
            written?;
            self.committed.store(true, Ordering::Relaxed);
        }
        if !database.release(Some(&mut pace)).await? {
            if !self.told.swap(true, Ordering::Relaxed) {
                tracing::warn!("the disk was filled during a checkpoint, which waits");
            }
            return Ok(false);
        }
        if self.told.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk has room for checkpoints again");
        }
        self.committed.store(false, Ordering::Relaxed);
        self.shared.drop_frozen();
        self.shared.set_persisted(frozen.cursor);
        self.shared.differs_durable.store(frozen.differs.is_some(), Ordering::Release);
        self.shared.file_bytes.store(database.file_bytes(), Ordering::Relaxed);
        observe(CheckpointStats { took: self.shared.clock.now().since(began), rows: frozen.delta.rows().len() });
        Ok(true)
    }
}
