//! [`FrozenWriter`]: makes frozen deltas durable, oldest first, one redb transaction each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::local_store::database::StoreError;
use crate::local_store::delta::FrozenDelta;
use crate::local_store::shared::Shared;

/// Told after each checkpoint, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointStats {
    /// How long the transaction took, its syncs and the rests between them included.
    pub took: Duration,
    /// Rows changed.
    pub rows: usize,
}

/// See the module.
pub(super) struct FrozenWriter {
    shared: Arc<Shared>,
    /// Whether the oldest frozen delta is committed in memory, and waits for room.
    committed: AtomicBool,
    /// Whether the log says already that a checkpoint waits for room.
    told: AtomicBool,
}

impl FrozenWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, committed: AtomicBool::new(false), told: AtomicBool::new(false) }
    }

    /// Freezes the open delta, if there is one and there is room.
    pub(super) fn freeze(&self) {
        let _boundary = self.shared.boundary.lock();
        self.shared.freeze();
    }

    /// Writes all that is frozen and has room.
    pub(super) async fn write_frozen(&self, observe: &impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        while let Some(frozen) = self.first_frozen().await {
            if !self.write_first(&frozen, observe).await? {
                break;
            }
        }
        Ok(())
    }

    /// The oldest frozen delta, if there is one and the disk has room for it. Without room it waits for the next look;
    /// what has been written of it already only tries again.
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

    /// Writes the oldest frozen delta; false if others have taken the room for it meanwhile. Then it is written for who
    /// reads, but not durable, and the next call goes on with it.
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
        self.shared.file_bytes.store(database.file_bytes(), Ordering::Relaxed);
        observe(CheckpointStats { took: self.shared.clock.now().since(began), rows: frozen.delta.rows().len() });
        Ok(true)
    }
}
