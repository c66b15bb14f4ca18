//! One watch stream to one server: sends requests, and keeps what arrives for each watcher.

#![expect(clippy::disallowed_methods, reason = "a tool's task: its failure ends the run, not a node")]

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::mvccpb::Event;
use parking_lot::Mutex;
use pb::watch_request::RequestUnion;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::compared_server::ComparedServer;

/// How many requests may wait to be sent.
const REQUESTS_WAITING_MAX: usize = 64;

/// The answer to a create request.
#[derive(Debug, Clone, PartialEq)]
pub struct Creation {
    pub id: i64,
    pub revision: i64,
    /// The server's reason, if it refused the watcher.
    pub refused: Option<String>,
}

/// The end of a watcher.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancellation {
    pub compact_revision: i64,
    pub reason: String,
}

/// What one watcher has received.
#[derive(Debug, Clone)]
pub struct Watcher {
    pub creation: Creation,
    pub events: Vec<Event>,
    pub canceled: Option<Cancellation>,
    /// The revisions of its progress notifications.
    pub notified: Vec<i64>,
    /// Number of answers that said that another part of the same answer follows.
    pub fragments: usize,
    newest_revision: i64,
    in_fragments: bool,
}

/// What a stream has received so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// All watchers, in the order of their creation, including refused ones.
    pub watchers: Vec<Watcher>,
    /// The revisions of the answers to progress requests.
    pub progress: Vec<i64>,
    /// One text for each guarantee of a watch that did not hold, and one if the stream ended.
    pub broken: Vec<String>,
    by_id: BTreeMap<i64, usize>,
}

/// An open stream; dropping it closes it.
#[derive(Debug)]
pub struct WatchStream {
    requests: mpsc::Sender<pb::WatchRequest>,
    seen: Arc<Mutex<Seen>>,
    reader: JoinHandle<()>,
}

impl WatchStream {
    /// Opens a stream. Does not wait for an answer, because a server may send nothing before the first request.
    pub fn open(server: &ComparedServer) -> Self {
        let (requests, waiting) = mpsc::channel(REQUESTS_WAITING_MAX);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let kept = Arc::clone(&seen);
        let mut client = server.watch_client();
        let reader = tokio::spawn(async move {
            let mut answers = match client.watch(ReceiverStream::new(waiting)).await {
                Ok(answers) => answers.into_inner(),
                Err(status) => return kept.lock().broken.push(format!("refused: {status}")),
            };
            loop {
                match answers.message().await {
                    Ok(Some(answer)) => kept.lock().keep(answer),
                    Ok(None) => break kept.lock().broken.push("the stream ended".to_owned()),
                    Err(status) => break kept.lock().broken.push(format!("the stream ended: {status}")),
                }
            }
        });
        WatchStream { requests, seen, reader }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// If the stream is closed.
    pub async fn send(&self, request: Option<RequestUnion>) -> anyhow::Result<()> {
        self.requests.send(pb::WatchRequest { request_union: request }).await.context("the watch stream is closed")
    }

    /// Calls `look` with everything that the stream has received so far.
    pub fn look<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock())
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Seen {
    fn keep(&mut self, answer: pb::WatchResponse) {
        let revision = answer.header.as_ref().map_or(0, |header| header.revision);
        if answer.created {
            return self.keep_creation(answer, revision);
        }
        if answer.watch_id == -1 && !answer.canceled {
            if !answer.events.is_empty() {
                self.broken.push("an answer to a progress request has events".to_owned());
            }
            return self.keep_progress(revision);
        }
        let Some(&index) = self.by_id.get(&answer.watch_id) else {
            return self.broken.push(format!("no such watcher: {answer:?}"));
        };
        if answer.canceled {
            self.by_id.remove(&answer.watch_id);
        }
        let watcher = &mut self.watchers[index];
        if let Err(broken) = watcher.keep(answer, revision) {
            self.broken.push(broken);
        }
    }

    fn keep_creation(&mut self, answer: pb::WatchResponse, revision: i64) {
        if !answer.canceled {
            self.by_id.insert(answer.watch_id, self.watchers.len());
        }
        let refused = answer.canceled.then_some(answer.cancel_reason);
        self.watchers.push(Watcher {
            creation: Creation { id: answer.watch_id, revision, refused },
            events: Vec::new(),
            canceled: None,
            notified: Vec::new(),
            fragments: 0,
            newest_revision: 0,
            in_fragments: false,
        });
    }

    fn keep_progress(&mut self, revision: i64) {
        self.progress.push(revision);
        for &index in self.by_id.values() {
            // No event up to this revision may arrive any more.
            let watcher = &mut self.watchers[index];
            watcher.newest_revision = watcher.newest_revision.max(revision);
        }
    }
}

impl Watcher {
    /// The revision of the newest event in `events`, 0 if there is none. Each comparison takes the events out.
    pub fn newest_event(&self) -> i64 {
        self.events.last().map_or(0, at)
    }

    fn keep(&mut self, answer: pb::WatchResponse, revision: i64) -> Result<(), String> {
        if answer.canceled {
            let (compact_revision, reason) = (answer.compact_revision, answer.cancel_reason);
            self.canceled = Some(Cancellation { compact_revision, reason });
            return Ok(());
        }
        let (Some(first), Some(last)) = (answer.events.first().map(at), answer.events.last().map(at)) else {
            self.notified.push(revision);
            self.newest_revision = self.newest_revision.max(revision);
            return Ok(());
        };
        let sorted = answer.events.is_sorted_by_key(at);
        let whole = first > self.newest_revision || (self.in_fragments && first == self.newest_revision);
        self.in_fragments = answer.fragment;
        self.fragments += usize::from(answer.fragment);
        let newest = std::mem::replace(&mut self.newest_revision, last);
        self.events.extend(answer.events);
        if sorted && whole && revision >= last {
            return Ok(());
        }
        Err(format!("events of {first}..={last} under header {revision} after {newest}, sorted: {sorted}"))
    }
}

/// The revision of an event.
fn at(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}
