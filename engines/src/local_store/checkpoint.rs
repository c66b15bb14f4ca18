//! The checkpoint Worker: makes frozen deltas durable, one redb transaction each, and copies the file to give back the
//! space of deleted rows (Defragment).
//!
//! A copy goes slice by slice; between two slices due checkpoints are written, to the old file and to the new one.
//! Rows behind the copy's position come again with a later slice, those before it are right already.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::local_store::database::{Database, StoreError};
use crate::local_store::{DELTA_AGE_MAX, Shared};

/// Bytes copied between two looks at due checkpoints.
const COPY_SLICE_BYTES: usize = 1 << 20;
/// Slices between two that are synced at once.
const COPY_SLICES_PER_SYNC: u64 = 16;
/// Between two slices: a copy is in no hurry, a client's request on the same cores is.
const COPY_PAUSE: Duration = Duration::from_millis(2);
/// Defragment requests that may wait.
const REQUESTS_MAX: usize = 4;

/// Told after each checkpoint, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointStats {
    /// How long the transaction took, its syncs included.
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
}

impl Checkpointer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (tx, requests) = mpsc::channel(REQUESTS_MAX);
        Self { shared, requests, defragmenter: Defragmenter(tx) }
    }

    /// To ask for defragmentations.
    pub fn defragmenter(&self) -> Defragmenter {
        self.defragmenter.clone()
    }

    /// Writes checkpoints until `stop`, then a last one. An error ends it: the caller stops the node, since nothing can
    /// be trimmed any more.
    pub async fn run(mut self, stop: CancellationToken, observe: impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        loop {
            let wanted = {
                let shared = Arc::clone(&self.shared);
                let wait = async move {
                    let tick = shared.clock.sleep(DELTA_AGE_MAX);
                    tokio::select! {
                        biased;
                        () = shared.freeze_wanted.notified() => {}
                        () = tick => {}
                    }
                };
                tokio::select! {
                    biased;
                    () = stop.cancelled() => None,
                    request = self.requests.recv() => Some(request),
                    () = wait => Some(None),
                }
            };
            let Some(request) = wanted else { break };
            self.write_due(None, &observe).await?;
            if let Some(answer) = request {
                let done = self.copy(&observe).await.map_err(|e| e.to_string());
                // Who asked may have left.
                let _ = answer.send(done);
            }
        }
        self.write_due(None, &observe).await
    }

    /// Freezes what is old enough and writes all that is frozen, to `copy` too.
    async fn write_due(&self, copy: Option<&Database>, observe: &impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        {
            let _boundary = self.shared.boundary.lock();
            self.shared.freeze();
        }
        loop {
            let Some(frozen) = self.shared.frozen.read().first().cloned() else { return Ok(()) };
            let began = self.shared.clock.now();
            let database = Arc::clone(&self.shared.database.read());
            let written = database.write_delta(&frozen, &*self.shared.clock).await;
            database.settle().await;
            written?;
            if let Some(copy) = copy {
                let written = copy.write_delta(&frozen, &*self.shared.clock).await;
                copy.settle().await;
                written?;
            }
            self.shared.drop_frozen();
            self.shared.set_persisted(frozen.cursor);
            self.shared.file_bytes.store(database.file_bytes(), Ordering::Relaxed);
            observe(CheckpointStats { took: self.shared.clock.now().since(began), rows: frozen.delta.rows().len() });
        }
    }

    async fn copy(&self, observe: &impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        let owner = self.shared.database.read().owner()?;
        let copy = Database::create(&*self.shared.disk, owner).await?;
        let mut after: Option<Vec<u8>> = None;
        let mut slices: u64 = 0;
        loop {
            let database = Arc::clone(&self.shared.database.read());
            let rows = database.rows_after(after.as_deref(), COPY_SLICE_BYTES)?;
            database.settle().await;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            slices += 1;
            let written = copy.write_rows(&rows, slices.is_multiple_of(COPY_SLICES_PER_SYNC));
            copy.settle().await;
            written?;
            self.write_due(Some(&copy), observe).await?;
            self.shared.clock.sleep(COPY_PAUSE).await;
        }
        // A last delta takes the cursor along; nothing may come between it and the swap but this Worker.
        let cursor = self.shared.database.read().cursor()?;
        copy.write_cursor(cursor)?;
        copy.settle().await;
        Database::publish(&*self.shared.disk).await?;
        self.shared.file_bytes.store(copy.file_bytes(), Ordering::Relaxed);
        *self.shared.database.write() = Arc::new(copy);
        Ok(())
    }
}
