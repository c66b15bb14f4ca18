//! The checkpoint Worker: makes frozen deltas durable ([`FrozenWriter`]), and copies the file when a defragmentation
//! ([`Defragment`]) or a snapshot ([`SnapshotMaker`]) was requested.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::local_store::defragment::Defragment;
use crate::local_store::delta::DELTA_AGE_MAX;
use crate::local_store::frozen_writer::{CheckpointStats, FrozenWriter};
use crate::local_store::shared::Shared;
use crate::local_store::snapshot::{SnapshotFile, SnapshotMaker};
use crate::local_store::store_error::StoreError;

/// At most this many requests for a copy are queued. A caller with a further request waits for a place in the queue.
const REQUESTS_MAX: usize = 4;

/// Why the Worker woke up.
enum Wake {
    /// A delta was frozen and has to be written.
    Write,
    /// The open delta has to be frozen.
    Freeze,
    /// A copy was requested.
    Copy(Request),
}

/// The error says why the request was not carried out.
type Answer<T> = oneshot::Sender<Result<T, String>>;

/// A copy of the file that the Worker has to make.
enum Request {
    Defragment(Answer<()>),
    Snapshot(Answer<SnapshotFile>),
}

/// Asks the checkpoint Worker for a defragmentation.
#[derive(Clone)]
pub struct Defragmenter(mpsc::Sender<Request>);

/// Asks the checkpoint Worker for snapshots.
#[derive(Clone)]
pub struct Snapshotter(mpsc::Sender<Request>);

async fn ask<T>(requests: &mpsc::Sender<Request>, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, String> {
    let (tx, done) = oneshot::channel();
    requests.send(request(tx)).await.map_err(|_| "the node is stopping".to_owned())?;
    done.await.unwrap_or_else(|_| Err("the node is stopping".to_owned()))
}

impl Snapshotter {
    /// Makes a snapshot in the place of an earlier one. The error says why that was not done.
    pub async fn make(&self) -> Result<SnapshotFile, String> {
        ask(&self.0, Request::Snapshot).await
    }
}

impl Defragmenter {
    /// Copies the file and replaces it with the copy. The error says why that was not done.
    pub async fn defragment(&self) -> Result<(), String> {
        ask(&self.0, Request::Defragment).await
    }
}

/// The checkpoint Worker before it runs.
pub struct Checkpointer {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    request: mpsc::Sender<Request>,
    reserve_bytes: u64,
    writer: FrozenWriter,
}

impl Checkpointer {
    /// `reserve_bytes`: how many bytes of the disk a copy leaves free.
    pub(crate) fn new(shared: Arc<Shared>, reserve_bytes: u64) -> Self {
        let (tx, requests) = mpsc::channel(REQUESTS_MAX);
        let writer = FrozenWriter::new(Arc::clone(&shared));
        Self { shared, requests, request: tx, reserve_bytes, writer }
    }

    /// A handle for requesting defragmentations.
    pub fn defragmenter(&self) -> Defragmenter {
        Defragmenter(self.request.clone())
    }

    /// A handle for requesting snapshots.
    pub fn snapshotter(&self) -> Snapshotter {
        Snapshotter(self.request.clone())
    }

    /// Writes checkpoints until `stop`, and then a last one. Calls `observe` after each. An error ends the Worker. The
    /// caller then has to stop the node, because the log cannot be trimmed any more.
    pub async fn run(mut self, stop: CancellationToken, observe: impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        shared.backlog.set_stopping(false);
        // On a stop the checkpoint that is being written must not pause any more.
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
                    Some(request) = self.requests.recv() => Wake::Copy(request),
                    () = shared.frozen_some.notified() => Wake::Write,
                    () = shared.freeze_wanted.notified() => Wake::Freeze,
                    () = shared.clock.sleep(DELTA_AGE_MAX) => Wake::Freeze,
                }
            };
            match wake {
                Wake::Write => self.writer.write_frozen(observe).await?,
                Wake::Freeze => self.write_all(observe).await?,
                Wake::Copy(request) => {
                    self.write_all(observe).await?;
                    self.copy(request, stop, observe).await?;
                }
            }
        }
        self.write_all(observe).await
    }

    async fn write_all(&self, observe: &impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        self.writer.freeze();
        self.writer.write_frozen(observe).await
    }

    /// Makes a copy and answers. An error ends the Worker.
    async fn copy(
        &self,
        request: Request,
        stop: &CancellationToken,
        observe: &impl Fn(CheckpointStats),
    ) -> Result<(), StoreError> {
        let (shared, writer, reserve_bytes) = (&*self.shared, &self.writer, self.reserve_bytes);
        // The caller may be gone when it is answered.
        match request {
            Request::Defragment(answer) => {
                let done = Defragment { shared, writer, reserve_bytes }.run(stop, observe).await?;
                let _ = answer.send(done.map_err(|e| e.to_string()));
            }
            Request::Snapshot(answer) => {
                let made = SnapshotMaker { shared, writer, reserve_bytes }.run(stop, observe).await?;
                let _ = answer.send(made.map_err(|e| e.to_string()));
            }
        }
        Ok(())
    }
}
