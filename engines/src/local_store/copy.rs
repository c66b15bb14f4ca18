//! A copy of the store's file, without the space of deleted rows. [`Defragment`](super::defragment::Defragment) puts it
//! in the place of the file, [`SnapshotMaker`](super::snapshot::SnapshotMaker) offers it to other nodes.
//!
//! A copy is made slice by slice, in the order of the rows' names. Checkpoints that are due are written between two
//! slices, to the old file and to the new one. So the rows that were copied already stay up to date. The other rows of
//! a checkpoint reach the new file too early, which does no harm: a later slice copies them again.
//!
//! The slices of a table end at the row that was its last one when the copy began. All rows after that one come with the
//! checkpoints. So the copy ends even if clients add rows faster than the slices copy them. New revisions of keys are such
//! rows.
//!
//! A copy is not begun, or is given up, if it would take the room that checkpoints and the log need, or if the node stops.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use naxos_proto::ids::StorageId;
use tokio_util::sync::CancellationToken;

use crate::local_store::backlog::Pace;
use crate::local_store::database::Database;
use crate::local_store::delta::FROZEN_MAX;
use crate::local_store::frozen_writer::{CheckpointStats, FrozenWriter};
use crate::local_store::shared::Shared;
use crate::local_store::store_error::{FILE, StoreError};

/// Bytes copied before the Worker looks for due checkpoints again.
const COPY_SLICE_BYTES: usize = 256 << 10;
/// One in this many slices is committed durably. The commits of the other slices need no sync.
const COPY_SLICES_PER_SYNC: u64 = 32;
/// A pause between two slices lasts at least this long. A copy can wait; the client requests on the same cores cannot.
/// If checkpoints are late, there is no pause: see [`Pace::rest`].
pub(super) const COPY_PAUSE: Duration = Duration::from_millis(1);

/// Why no copy was made. The node goes on without it.
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

/// The outer error ends the node: a checkpoint, or the name of the new file, could not be made durable. The inner error
/// ends only the copy.
pub(super) type Copied<T> = Result<Result<T, CopyError>, StoreError>;

/// The rows that slices still have to copy.
struct LeftToCopy {
    /// The last row of each table that is not finished, as it was when the copy began.
    last_rows: VecDeque<Vec<u8>>,
    /// The row that was copied last, in the first of these tables. `None` if no row of that table was copied.
    after: Option<Vec<u8>>,
}

impl LeftToCopy {
    /// The next rows. Empty at the end.
    fn next_slice(&mut self, database: &Database) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        while let Some(last) = self.last_rows.front() {
            let rows = database.rows_after(self.after.as_deref(), last, COPY_SLICE_BYTES)?;
            if let Some((name, _)) = rows.last() {
                self.after = Some(name.clone());
                return Ok(rows);
            }
            self.last_rows.pop_front();
            self.after = None;
        }
        Ok(Vec::new())
    }
}

/// Writes a copy, on the checkpoint Worker.
pub(super) struct CopyWriter<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writer: &'a FrozenWriter,
    /// How many bytes of the disk a copy leaves free.
    pub(super) reserve_bytes: u64,
    /// The name of the copy.
    pub(super) name: &'static str,
    /// The storage that the copy belongs to.
    pub(super) owner: Option<StorageId>,
}

impl CopyWriter<'_> {
    /// Makes a complete copy. If that fails, removes what was made.
    pub(super) async fn copy(&self, stop: &CancellationToken, observe: &impl Fn(CheckpointStats)) -> Copied<Database> {
        let copied = self.write_copy(stop, observe).await?;
        if copied.is_err() {
            self.remove().await;
        }
        Ok(copied)
    }

    /// Removes the copy.
    pub(super) async fn remove(&self) {
        // If it cannot be removed now, the next copy or start will remove it.
        if let Err(error) = Database::remove_file(&*self.shared.disk, self.name).await {
            tracing::warn!(%error, "an unfinished copy of the local store's file stays");
        }
    }

    async fn write_copy(&self, stop: &CancellationToken, observe: &impl Fn(CheckpointStats)) -> Copied<Database> {
        // Freed pages are not copied, so a copy is hardly ever larger than the file.
        let file_bytes = self.shared.database.read().file_bytes();
        if let Err(e) = self.check_room(file_bytes).await {
            return Ok(Err(e));
        }
        let copy = match Database::create(&*self.shared.disk, self.name, self.owner).await {
            Ok(copy) => copy,
            Err(e) => return Ok(Err(e.into())),
        };
        let mut left = match self.shared.database.read().last_rows() {
            Ok(last_rows) => LeftToCopy { last_rows: last_rows.into(), after: None },
            Err(e) => return Ok(Err(e.into())),
        };
        for slice in 1_u64.. {
            if stop.is_cancelled() {
                return Ok(Err(CopyError::Stopping));
            }
            let mut pace = self.shared.pace();
            let durable = slice.is_multiple_of(COPY_SLICES_PER_SYNC);
            match self.copy_slice(&copy, &mut left, durable, &mut pace).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => return Ok(Err(e)),
            }
            pace.rest(COPY_PAUSE).await;
            if let Err(e) = self.write_due_twice(&copy, observe).await? {
                return Ok(Err(e));
            }
        }
        // The copy gets the cursor of the old file. Until the swap only this Worker writes to either of them.
        let written = copy.write_cursor_of(&self.shared.database.read());
        Ok(self.finish(&copy, written, &mut self.shared.pace()).await.map(|()| copy))
    }

    /// Writes to the disk what a transaction of the copy has left in memory. `written` is the transaction's result.
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

    /// Copies the next slice of rows. Returns false if no row is left to copy.
    async fn copy_slice(
        &self,
        copy: &Database,
        left: &mut LeftToCopy,
        durable: bool,
        pace: &mut Pace<'_>,
    ) -> Result<bool, CopyError> {
        let database = Arc::clone(&self.shared.database.read());
        let rows = left.next_slice(&database);
        database.settle().await;
        let rows = rows?;
        if rows.is_empty() {
            return Ok(false);
        }
        // Checked again because the log, and other files on the disk, may have grown meanwhile.
        self.check_room(0).await?;
        let written = copy.write_rows(&rows, durable);
        self.finish(copy, written, pace).await?;
        Ok(true)
    }

    /// Checks that `bytes` can be written and the reserve still stays free.
    async fn check_room(&self, bytes: u64) -> Result<(), CopyError> {
        let (needed, reserve) = (bytes + self.reserve_bytes, self.reserve_bytes);
        let free = self.shared.free_bytes().await;
        if free < needed { Err(CopyError::NoRoom { free, needed, reserve }) } else { Ok(()) }
    }

    /// Writes the due checkpoints, to `copy` too. Freezes the open delta first if it is old.
    async fn write_due_twice(&self, copy: &Database, observe: &impl Fn(CheckpointStats)) -> Copied<()> {
        // Every checkpoint costs a sync of both files, so the open delta is not written after every slice.
        if self.shared.is_old() {
            self.writer.freeze();
        }
        // At most this many: under a heavy load another checkpoint is always due, and the copy would stand still.
        for _ in 0..FROZEN_MAX {
            let Some(frozen) = self.writer.first_frozen().await else { break };
            if !self.writer.write_first(&frozen, observe).await? {
                // Going on would give the copy the cursor of the waiting checkpoint without its rows.
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
