//! The checkpoint Worker: makes frozen deltas durable ([`FrozenWriter`]), and copies the file when a defragmentation
//! was requested ([`Defragment`]).

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::local_store::defragment::Defragment;
use crate::local_store::delta::DELTA_AGE_MAX;
use crate::local_store::frozen_writer::{CheckpointStats, FrozenWriter};
use crate::local_store::shared::Shared;
use crate::local_store::store_error::StoreError;

/// At most this many requests for a defragmentation may wait.
const REQUESTS_MAX: usize = 4;

/// Why the Worker woke up.
enum Wake {
    /// A delta was frozen and has to be written.
    Write,
    /// The open delta has to be frozen.
    Freeze,
    /// A defragmentation was requested.
    Copy(oneshot::Sender<Result<(), String>>),
}

/// Asks the checkpoint Worker for a defragmentation.
#[derive(Clone)]
pub struct Defragmenter(mpsc::Sender<oneshot::Sender<Result<(), String>>>);

impl Defragmenter {
    /// Copies the file and replaces it with the copy. The error says why that was not done.
    pub async fn defragment(&self) -> Result<(), String> {
        let (tx, done) = oneshot::channel();
        self.0.send(tx).await.map_err(|_| "the node is stopping".to_owned())?;
        done.await.unwrap_or_else(|_| Err("the node is stopping".to_owned()))
    }
}

/// The checkpoint Worker before it runs.
pub struct Checkpointer {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
    defragmenter: Defragmenter,
    reserve_bytes: u64,
    writer: FrozenWriter,
}

impl Checkpointer {
    /// `reserve_bytes`: how many bytes of the disk a copy leaves free.
    pub(crate) fn new(shared: Arc<Shared>, reserve_bytes: u64) -> Self {
        let (tx, requests) = mpsc::channel(REQUESTS_MAX);
        let writer = FrozenWriter::new(Arc::clone(&shared));
        Self { shared, requests, defragmenter: Defragmenter(tx), reserve_bytes, writer }
    }

    /// A handle for requesting defragmentations.
    pub fn defragmenter(&self) -> Defragmenter {
        self.defragmenter.clone()
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
                    Some(answer) = self.requests.recv() => Wake::Copy(answer),
                    () = shared.frozen_some.notified() => Wake::Write,
                    () = shared.freeze_wanted.notified() => Wake::Freeze,
                    () = shared.clock.sleep(DELTA_AGE_MAX) => Wake::Freeze,
                }
            };
            match wake {
                Wake::Write => self.writer.write_frozen(observe).await?,
                Wake::Freeze => self.write_all(observe).await?,
                Wake::Copy(answer) => {
                    self.write_all(observe).await?;
                    let done = self.defragment().copy(stop, observe).await?.map_err(|e| e.to_string());
                    // The caller may be gone.
                    let _ = answer.send(done);
                }
            }
        }
        self.write_all(observe).await
    }

    async fn write_all(&self, observe: &impl Fn(CheckpointStats)) -> Result<(), StoreError> {
        self.writer.freeze();
        self.writer.write_frozen(observe).await
    }

    fn defragment(&self) -> Defragment<'_> {
        Defragment { shared: &self.shared, writer: &self.writer, reserve_bytes: self.reserve_bytes }
    }
}
