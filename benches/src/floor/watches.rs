//! The watchers of one lane: each gets one answer per committed batch, and every event, whatever it watches.

use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::etcd::twins::WatchResponse;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tonic::Status;

/// Answers that a watcher has not sent yet. One that falls further behind loses events: a floor keeps no history.
const ANSWERS_MAX: usize = 1024;

/// What a watch stream is fed from.
pub(super) type Answers = mpsc::Receiver<Result<WatchResponse, Status>>;

/// The lane's watchers.
#[derive(Debug, Clone, Default)]
pub(super) struct Watches {
    watchers: Arc<Mutex<Vec<mpsc::Sender<Result<WatchResponse, Status>>>>>,
}

impl Watches {
    /// A new watcher, whose first answer says that it was created.
    pub(super) fn add(&self) -> Answers {
        let (watcher, answers) = mpsc::channel(ANSWERS_MAX);
        // The queue is empty: there is room.
        let _ = watcher.try_send(Ok(WatchResponse { created: true, ..WatchResponse::default() }));
        self.watchers.lock().push(watcher);
        answers
    }

    /// Gives `events` to all; those that are gone are forgotten.
    pub(super) fn deliver(&self, events: &Bytes) {
        self.watchers.lock().retain(|watcher| {
            let answer = WatchResponse { events: events.clone(), ..WatchResponse::default() };
            !matches!(watcher.try_send(Ok(answer)), Err(mpsc::error::TrySendError::Closed(_)))
        });
    }
}
