//! [`Writers`]: runs the writers of a process.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::writer::Writer;

/// The writers that have work. One task runs them all. A writer that has no more work leaves the task, and comes back with
/// the next append.
#[derive(Default)]
pub(super) struct Writers {
    /// Writers that have got work and that the task has not taken yet.
    begun: Mutex<Vec<Arc<Writer>>>,
    changed: Notify,
    stopped: CancellationToken,
}

impl Writers {
    /// Lets the task run `writer` until the writer has no more work.
    pub(super) fn begin(&self, writer: Arc<Writer>) {
        self.begun.lock().push(writer);
        self.changed.notify_one();
    }

    /// Whether no writer will run any more.
    pub(super) fn are_stopped(&self) -> bool {
        self.stopped.is_cancelled()
    }

    /// Runs the writers until `stop`. The outcomes of appends that are not finished by then are unknown.
    pub(super) async fn run(&self, stop: CancellationToken) {
        // If this future is dropped, later appends must find out that nobody runs writers any more.
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
