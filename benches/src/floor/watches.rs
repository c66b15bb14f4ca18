//! The watchers of one lane. A lane is one thread of a floor server. Each watcher gets one answer per committed batch, with
//! every event, whatever keys it watches.

use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::etcd::twins::WatchResponse;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tonic::Status;

/// How many answers may wait until the watch stream sends them. A watcher whose queue is full loses events, because
/// this server keeps no history.
const ANSWERS_MAX: usize = 1024;

/// The answers that a watch stream sends.
pub(super) type Answers = mpsc::Receiver<Result<WatchResponse, Status>>;

/// The watchers of one lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Watches {
    watchers: Arc<Mutex<Vec<mpsc::Sender<Result<WatchResponse, Status>>>>>,
}

impl Watches {
    /// Adds a watcher. Its first answer says that it was created.
    pub(super) fn add(&self) -> Answers {
        let (watcher, answers) = mpsc::channel(ANSWERS_MAX);
        // The queue is empty, so there is room.
        let _ = watcher.try_send(Ok(WatchResponse { created: true, ..WatchResponse::default() }));
        self.watchers.lock().push(watcher);
        answers
    }

    /// Gives `events` to all watchers, and forgets those that are gone.
    pub(super) fn deliver(&self, events: &Bytes) {
        self.watchers.lock().retain(|watcher| {
            let answer = WatchResponse { events: events.clone(), ..WatchResponse::default() };
            !matches!(watcher.try_send(Ok(answer)), Err(mpsc::error::TrySendError::Closed(_)))
        });
    }
}
