//! Defragment: copies the file, to give back the space of deleted rows.
//!
//! A copy goes slice by slice; between two slices due checkpoints are written, to the old file and to the new one.
//! Rows behind the copy's position come again with a later slice, those before it are right already.
//!
//! A copy that fails is removed, and the node goes on with the file that it has. It is not begun, and given up, where it
//! would take the room that checkpoints and the log need, and where the node stops.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::local_store::backlog::Pace;
use crate::local_store::database::{Database, FILE, StoreError};
use crate::local_store::frozen_writer::{CheckpointStats, FrozenWriter};
use crate::local_store::shared::Shared;

/// Bytes copied between two looks at due checkpoints.
const COPY_SLICE_BYTES: usize = 256 << 10;
/// Slices between two that are synced at once.
const COPY_SLICES_PER_SYNC: u64 = 32;
/// Between two slices, at least: a copy is in no hurry, a client's request on the same cores is.
const COPY_PAUSE: Duration = Duration::from_millis(1);

/// Why there is no copy. The node goes on with the file that it has.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error(
        "the disk has no room for a copy of {FILE}: {free} bytes are free, {needed} are needed, {reserve} of them to stay \
         free for the log and checkpoints"
    )]
    NoRoom { free: u64, needed: u64, reserve: u64 },
    #[error("the disk was filled while {FILE} was being copied: a checkpoint waits for room")]
    Filled,
    #[error("the node is stopping")]
    Stopping,
    #[error("the copy of {FILE} failed: {0}")]
    Failed(#[from] StoreError),
}

/// The outer error is that of the file in use: the node cannot go on.
pub(super) type Copied<T> = Result<Result<T, CopyError>, StoreError>;

/// A defragmentation by the checkpoint Worker.
pub(super) struct Defragment<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writer: &'a FrozenWriter,
    /// Bytes that a copy leaves free on the disk.
    pub(super) reserve_bytes: u64,
}

impl Defragment<'_> {
    /// Puts a copy in the file's place, or leaves none.
    pub(super) async fn copy(&self, stop: &CancellationToken, observe: &impl Fn(CheckpointStats)) -> Copied<()> {
        let disk = &*self.shared.disk;
        let copied = match self.write_copy(stop, observe).await? {
            Ok(copy) => Database::give_name(disk).await.map(|()| copy).map_err(CopyError::from),
            Err(e) => Err(e),
        };
        let copy = match copied {
            Ok(copy) => copy,
            Err(e) => {
                // What cannot be removed now is removed by the next copy or start.
                if let Err(error) = Database::remove_unfinished(disk).await {
                    tracing::warn!(%error, "an unfinished copy of the local store's file stays");
                }
                return Ok(Err(e));
            }
        };
        // The old file has lost its name: nothing may be written to it any more.
        Database::sync_name(disk).await?;
        self.shared.file_bytes.store(copy.file_bytes(), Ordering::Relaxed);
        *self.shared.database.write() = Arc::new(copy);
        Ok(Ok(()))
    }

    /// A whole copy, which has no name yet.
    async fn write_copy(&self, stop: &CancellationToken, observe: &impl Fn(CheckpointStats)) -> Copied<Database> {
        // Freed pages are not copied: a copy is hardly ever larger than the file.
        let file_bytes = self.shared.database.read().file_bytes();
        if let Err(e) = self.check_room(file_bytes).await {
            return Ok(Err(e));
        }
        let copy = match self.begin_copy().await {
            Ok(copy) => copy,
            Err(e) => return Ok(Err(e.into())),
        };
        let mut after: Option<Vec<u8>> = None;
        for slice in 1_u64.. {
            if stop.is_cancelled() {
                return Ok(Err(CopyError::Stopping));
            }
            let mut pace = self.shared.pace();
            let durable = slice.is_multiple_of(COPY_SLICES_PER_SYNC);
            match self.copy_slice(&copy, &mut after, durable, &mut pace).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => return Ok(Err(e)),
            }
            pace.rest(COPY_PAUSE).await;
            if let Err(e) = self.write_due_twice(&copy, observe).await? {
                return Ok(Err(e));
            }
        }
        // A last delta takes the cursor along; nothing may come between it and the swap but this Worker.
        let cursor = self.shared.database.read().cursor();
        let written = cursor.and_then(|cursor| copy.write_cursor(cursor));
        Ok(self.finish(&copy, written, &mut self.shared.pace()).await.map(|()| copy))
    }

    /// Makes what a transaction of the copy has `written` durable.
    async fn finish(
        &self,
        copy: &Database,
        written: Result<(), StoreError>,
        pace: &mut Pace<'_>,
    ) -> Result<(), CopyError> {
        copy.settle().await;
        written?;
        Ok(copy.release_all(Some(pace)).await?)
    }

    async fn begin_copy(&self) -> Result<Database, StoreError> {
        let owner = self.shared.database.read().owner()?;
        Database::create(&*self.shared.disk, owner).await
    }

    /// Copies the rows behind `after`, one slice; false when there are none.
    async fn copy_slice(
        &self,
        copy: &Database,
        after: &mut Option<Vec<u8>>,
        durable: bool,
        pace: &mut Pace<'_>,
    ) -> Result<bool, CopyError> {
        let database = Arc::clone(&self.shared.database.read());
        let rows = database.rows_after(after.as_deref(), COPY_SLICE_BYTES);
        database.settle().await;
        let rows = rows?;
        let Some((last, _)) = rows.last() else { return Ok(false) };
        *after = Some(last.clone());
        // The log grows meanwhile, and so may whatever else is on the disk.
        self.check_room(0).await?;
        let written = copy.write_rows(&rows, durable);
        self.finish(copy, written, pace).await?;
        Ok(true)
    }

    /// Whether `bytes` may be written and the reserve is left.
    async fn check_room(&self, bytes: u64) -> Result<(), CopyError> {
        let (needed, reserve) = (bytes + self.reserve_bytes, self.reserve_bytes);
        let free = self.shared.free_bytes().await;
        if free < needed { Err(CopyError::NoRoom { free, needed, reserve }) } else { Ok(()) }
    }

    /// The same, to `copy` too, and of the open delta if it is old.
    async fn write_due_twice(&self, copy: &Database, observe: &impl Fn(CheckpointStats)) -> Copied<()> {
        // Each costs syncs of both files: not one after every slice.
        if self.shared.is_old() {
            self.writer.freeze();
        }
        while let Some(frozen) = self.writer.first_frozen().await {
            if !self.writer.write_first(&frozen, observe).await? {
                // The cursor of what waits would come into the copy without its rows.
                return Ok(Err(CopyError::Filled));
            }
            let mut pace = self.shared.pace();
            let written = copy.write_delta(&frozen, &mut pace).await;
            if let Err(e) = self.finish(copy, written, &mut pace).await {
                return Ok(Err(e));
            }
        }
        Ok(Ok(()))
    }
}
