//! [`Log`]: the handle of the Worker that writes lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use naxos_proto::seams::{Clock, Worker, WorkerHandle, start};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

use super::layer::LogLayer;
use super::line;
use super::log_error::LogError;
use super::outputs::Outputs;
use crate::config::{LogConfig, LogFormat};

/// How many lines may wait to be written. Further ones are dropped.
const LINES_MAX: usize = 8192;
/// The most lines that are taken from the queue for one write. The last write takes all lines that are left.
const BATCH_MAX: usize = 256;
/// How long the ending program waits for its last lines to be written.
const FINISH_WAIT: Duration = Duration::from_secs(1);

/// The running log.
pub struct Log {
    worker: WorkerHandle,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
}

impl Log {
    /// Opens the outputs and starts the Worker. Events reach the log through the returned layer.
    pub fn start(config: &LogConfig, clock: Arc<dyn Clock>, worker: &dyn Worker) -> Result<(Log, LogLayer), LogError> {
        let outputs = Outputs::open(&config.outputs)?;
        let (lines, queue) = mpsc::channel(LINES_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        let writer = Writer { queue, outputs, dropped: dropped.clone(), clock: clock.clone(), format: config.format };
        let worker = start(worker, "log", stop.clone(), |stop| writer.run(stop));
        if stop.is_cancelled() {
            return Err(LogError::Thread);
        }
        let layer = LogLayer { lines, dropped, clock: clock.clone(), format: config.format };
        Ok((Log { worker, stop, clock }, layer))
    }

    /// Does what [`Log::start`] does, and installs the layer for the whole process. Only [`crate::run`] calls this.
    pub fn install(config: &LogConfig, clock: Arc<dyn Clock>, worker: &dyn Worker) -> Result<Log, LogError> {
        let (log, layer) = Log::start(config, clock, worker)?;
        let level = LevelFilter::from_level(config.level);
        // From libraries, log only warnings and errors: the rest does not help an operator.
        // If a peer does not answer, openraft would log this at each attempt. Our own calls log it once. So openraft
        // logs nothing.
        let filter = Targets::new()
            .with_target("naxos", level)
            .with_target("openraft", LevelFilter::OFF)
            .with_default(level.min(LevelFilter::WARN));
        let subscriber = tracing_subscriber::registry().with(filter).with(layer);
        // If it is called twice in one process (in a test), the first log stays.
        let _ = tracing::subscriber::set_global_default(subscriber);
        Ok(log)
    }

    /// Writes the queued lines and ends. Gives up after a second if nobody reads them.
    /// # Cancel safety
    /// If the future is dropped, lines may be lost.
    pub async fn finish(self) {
        self.stop.cancel();
        let wait = self.clock.sleep(FINISH_WAIT);
        tokio::select! {
            biased;
            _ = self.worker.join() => {}
            () = wait => {}
        }
    }
}

struct Writer {
    queue: mpsc::Receiver<String>,
    outputs: Outputs,
    dropped: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
    format: LogFormat,
}

impl Writer {
    async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                count = self.queue.recv_many(&mut batch, BATCH_MAX) => if count == 0 { break },
            }
            self.write(&mut batch);
        }
        while let Ok(line) = self.queue.try_recv() {
            batch.push(line);
        }
        self.write(&mut batch);
    }

    fn write(&mut self, batch: &mut Vec<String>) {
        let missing = self.dropped.swap(0, Relaxed);
        if missing > 0 {
            batch.push(line::dropped(missing, self.clock.wall().0, self.format));
        }
        self.outputs.write(batch.concat().as_bytes());
        batch.clear();
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
