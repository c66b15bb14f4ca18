//! The Worker for reads that may touch the local store's file: history, old revisions, hashes. It is there so that no
//! RPC runtime waits for a disk.

use naxos_engines::StoreReader;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// The most reads that may be queued; further callers wait for a place.
const READS_MAX: usize = 1_024;

type Job = Box<dyn FnOnce(&StoreReader) + Send>;

/// Sends reads to the Worker.
#[derive(Clone)]
pub struct StoreReads(mpsc::Sender<Job>);

/// The Worker has stopped.
#[derive(Debug)]
pub struct ReaderStopped;

impl StoreReads {
    /// Returns the handle and the part that the Worker runs.
    pub(crate) fn new() -> (Self, StoreReadWorker) {
        let (tx, rx) = mpsc::channel(READS_MAX);
        (Self(tx), StoreReadWorker(rx))
    }

    /// Runs `read` on the Worker.
    /// # Cancel safety
    /// The read may still run; its result is dropped then.
    pub async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StoreReader) -> T + Send + 'static,
    ) -> Result<T, ReaderStopped> {
        let (tx, result) = oneshot::channel();
        // The caller may have gone: then nobody takes the result.
        let job: Job = Box::new(move |reader| drop(tx.send(read(reader))));
        self.0.send(job).await.map_err(|_| ReaderStopped)?;
        result.await.map_err(|_| ReaderStopped)
    }
}

/// The Worker's end of the queue.
pub(crate) struct StoreReadWorker(mpsc::Receiver<Job>);

impl StoreReadWorker {
    /// Does the reads until `stop`.
    pub(crate) async fn run(mut self, reader: StoreReader, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                job = self.0.recv() => match job {
                    Some(job) => job(&reader),
                    None => return,
                },
            }
            // In the simulator other tasks run on the same thread: let them run between two reads.
            tokio::task::yield_now().await;
        }
    }
}
