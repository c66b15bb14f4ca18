//! [`Writers`]: runs the writers of a process.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::writer::Writer;

/// The writers that have work, for the task that runs them. A writer that has no more work leaves, and comes again with
/// the next append.
#[derive(Default)]
pub(super) struct Writers {
    /// Writers that have begun to have work.
    begun: Mutex<Vec<Arc<Writer>>>,
    changed: Notify,
    stopped: CancellationToken,
}

impl Writers {
    /// Runs `writer` until it has no more work.
    pub(super) fn begin(&self, writer: Arc<Writer>) {
        self.begun.lock().push(writer);
        self.changed.notify_one();
    }

    /// Whether no writer will run any more.
    pub(super) fn are_stopped(&self) -> bool {
        self.stopped.is_cancelled()
    }

    /// Runs the writers until `stop`. Then the outcomes of what they have not finished are unknown.
    pub(super) async fn run(&self, stop: CancellationToken) {
        // However this ends, no append may be left without an outcome.
        let _stopped = self.stopped.clone().drop_guard();
        let mut writers: Vec<Arc<Writer>> = Vec::new();
        let mut running = FuturesUnordered::new();
        loop {
            for writer in std::mem::take(&mut *self.begun.lock()) {
                running.push(Arc::clone(&writer).run());
                writers.retain(|other| other.is_running() && !Arc::ptr_eq(other, &writer));
                writers.push(writer);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.changed.notified() => {}
                Some(()) = running.next(), if !running.is_empty() => {}
            }
        }
        drop(running);
        self.stopped.cancel();
        let begun = std::mem::take(&mut *self.begun.lock());
        writers.iter().chain(&begun).for_each(|writer| writer.give_up());
    }
}
