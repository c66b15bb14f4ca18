//! The checkpoint Worker: makes frozen deltas durable ([`FrozenWriter`]), and copies the file when it is asked to
//! ([`Defragment`]).

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::local_store::database::StoreError;
use crate::local_store::defragment::Defragment;
use crate::local_store::delta::DELTA_AGE_MAX;
use crate::local_store::frozen_writer::{CheckpointStats, FrozenWriter};
use crate::local_store::shared::Shared;

/// Defragment requests that may wait.
const REQUESTS_MAX: usize = 4;

/// Why the Worker goes on.
enum Wake {
    /// A delta was frozen.
    Write,
    /// The open delta should be.
    Freeze,
    /// Defragment.
    Copy(oneshot::Sender<Result<(), String>>),
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
    writer: FrozenWriter,
}

impl Checkpointer {
    /// A copy leaves `reserve_bytes` of the disk free.
    pub(crate) fn new(shared: Arc<Shared>, reserve_bytes: u64) -> Self {
        let (tx, requests) = mpsc::channel(REQUESTS_MAX);
        let writer = FrozenWriter::new(Arc::clone(&shared));
        Self { shared, requests, defragmenter: Defragmenter(tx), reserve_bytes, writer }
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
                Wake::Write => self.writer.write_frozen(observe).await?,
                Wake::Freeze => self.write_all(observe).await?,
                Wake::Copy(answer) => {
                    self.write_all(observe).await?;
                    let done = self.defragment().copy(stop, observe).await?.map_err(|e| e.to_string());
                    // Who asked may have left.
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
