//! The checkpoint Worker: makes frozen deltas durable, one redb transaction each, and copies the file to give back the
//! space of deleted rows (Defragment).
//!
//! A copy goes slice by slice; between two slices due checkpoints are written, to the old file and to the new one.
//! Rows behind the copy's position come again with a later slice, those before it are right already.
//!
//! A copy that fails is removed, and the node goes on with the file that it has. It is not begun, and given up, where it
//! would take the room that checkpoints and the log need, and where the node stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::local_store::backlog::Pace;
use crate::local_store::database::{Database, FILE, StoreError};
use crate::local_store::delta::FrozenDelta;
use crate::local_store::{DELTA_AGE_MAX, Shared};

/// Bytes copied between two looks at due checkpoints.
const COPY_SLICE_BYTES: usize = 256 << 10;
/// Slices between two that are synced at once.
const COPY_SLICES_PER_SYNC: u64 = 32;
/// Between two slices, at least: a copy is in no hurry, a client's request on the same cores is.
const COPY_PAUSE: Duration = Duration::from_millis(1);
/// Defragment requests that may wait.
const REQUESTS_MAX: usize = 4;

/// Why there is no copy. The node goes on with the file that it has.
#[derive(Debug, thiserror::Error)]
enum CopyError {
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
type Copied<T> = Result<Result<T, CopyError>, StoreError>;

/// Why the Worker goes on.
enum Wake {
    /// A delta was frozen.
    Write,
    /// The open delta should be.
    Freeze,
    /// Defragment.
    Copy(oneshot::Sender<Result<(), String>>),
}

/// Told after each checkpoint, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointStats {
    /// How long the transaction took, its syncs and the rests between them included.
    pub took: Duration,
    /// Rows changed.
    pub rows: usize,
}

/// Asks the checkpoint Worker for a defragmentation.
#[derive(Clone)]
pub struct Defragmenter(mpsc::Sender<oneshot::Sender<Result<(), String>>>);

impl Defragmenter {
    /// Copies the file and puts the copy in its place.
    pub async fn defragment(&self) -> Result<(), String> {
        let (tx, done) = oneshot::channel();
        self.0.send(tx).await.map_err(|_| "the node is stopping".to_owned())?;
        done.await.unwrap_or_else(|_| Err("the node is stopping".to_owned()))
    }
}

/// The Worker's body, before it runs.
pub struct Checkpointer {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
    defragmenter: Defragmenter,
    reserve_bytes: u64,
    /// Whether the oldest frozen delta is committed in memory, and waits for room.
    committed: AtomicBool,
    /// Whether the log says already that a checkpoint waits for room.
    told: AtomicBool,
}

impl Checkpointer {
    /// A copy leaves `reserve_bytes` of the disk free.
    pub(crate) fn new(shared: Arc<Shared>, reserve_bytes: u64) -> Self {
        let (tx, requests) = mpsc::channel(REQUESTS_MAX);
        Self {
            shared,
            requests,
            defragmenter: Defragmenter(tx),
            reserve_bytes,
            committed: AtomicBool::new(false),
            told: AtomicBool::new(false),
        }
    }

    /// To ask for defragmentations.
    pub fn defragmenter(&self) -> Defragmenter {
        self.defragmenter.clone()
    }

    /// Writes checkpoints until `stop`, then a last one. An error ends it: the caller stops the node, since nothing can
    /// be trimmed any more.
    pub async fn run(mut self, stop: CancellationToken, observe: impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        shared.backlog.set_stopping(false);
        // What is being written then hurries, too.
        let hurry = async {
            stop.cancelled().await;
            shared.backlog.set_stopping(true);
            Ok(())
        };
        tokio::try_join!(hurry, self.write_until(&stop, &observe)).map(|_| ())
    }

    async fn write_until(
        &mut self,
        stop: &CancellationToken,
        observe: &impl Fn(CheckpointStats),
    ) -> Result<(), StoreError> {
        loop {
            let wake = {
                let shared = &*self.shared;
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    Some(answer) = self.requests.recv() => Wake::Copy(answer),
                    () = shared.frozen_some.notified() => Wake::Write,
                    () = shared.freeze_wanted.notified() => Wake::Freeze,
                    () = shared.clock.sleep(DELTA_AGE_MAX) => Wake::Freeze,
                }
            };
            match wake {
                Wake::Write => self.write_frozen(observe).await?,
                Wake::Freeze => self.write_all(observe).await?,
                Wake::Copy(answer) => {
                    self.write_all(observe).await?;
                    let done = self.copy(stop, observe).await?.map_err(|e| e.to_string());
                    // Who asked may have left.
                    let _ = answer.send(done);
                }
            }
        }
        self.write_all(observe).await
    }

    async fn write_all(&self, observe: &impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        self.freeze();
        self.write_frozen(observe).await
    }

    /// Writes all that is frozen and has room.
    async fn write_frozen(&self, observe: &impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        while let Some(frozen) = self.first_frozen().await {
            if !self.write_first(&frozen, observe).await? {
                break;
            }
        }
        Ok(())
    }

    /// The same, to `copy` too, and of the open delta if it is old.
    async fn write_due_twice(&self, copy: &Database, observe: &impl Fn(CheckpointStats)) -> Copied<()> {
        // Each costs syncs of both files: not one after every slice.
        if self.shared.is_old() {
            self.freeze();
        }
        while let Some(frozen) = self.first_frozen().await {
            if !self.write_first(&frozen, observe).await? {
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

    fn freeze(&self) {
        let _boundary = self.shared.boundary.lock();
        self.shared.freeze();
    }

    /// The oldest frozen delta, if there is one and the disk has room for it. Without room it waits for the next look;
    /// what has been written of it already only tries again.
    async fn first_frozen(&self) -> Option<Arc<FrozenDelta>> {
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
    async fn write_first(&self, frozen: &FrozenDelta, observe: &impl Fn(CheckpointStats)) -> Result<bool, StoreError> {
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

    /// Puts a copy in the file's place, or leaves none.
    async fn copy(&self, stop: &CancellationToken, observe: &impl Fn(CheckpointStats)) -> Copied<()> {
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
}
