//! The Worker that writes lines, and its handle.

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

/// Lines waiting to be written; further ones are dropped.
const LINES_MAX: usize = 8192;
/// Lines written by one system call.
const BATCH_MAX: usize = 256;
/// How long an ending program waits for its last lines to be read.
const FINISH_WAIT: Duration = Duration::from_secs(1);

/// The running log.
pub struct Log {
    worker: WorkerHandle,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
}

impl Log {
    /// Opens the places and starts the Worker. Events reach the log through the layer.
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

    /// As [`Log::start`], with the layer installed for the whole process. Only `main` calls this.
    pub fn install(config: &LogConfig, clock: Arc<dyn Clock>, worker: &dyn Worker) -> Result<Log, LogError> {
        let (log, layer) = Log::start(config, clock, worker)?;
        let level = LevelFilter::from_level(config.level);
        // Libraries have little to say to an operator.
        let filter = Targets::new().with_target("naxos", level).with_default(level.min(LevelFilter::WARN));
        let subscriber = tracing_subscriber::registry().with(filter).with(layer);
        // A second call in one process (a test) keeps the first log.
        let _ = tracing::subscriber::set_global_default(subscriber);
        Ok(log)
    }

    /// Writes what is queued and ends; gives up after a second when nobody reads.
    /// # Cancel safety
    /// Lines may be lost.
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
