//! [`Observer`]: a client that keeps one watch with options open on one node. At the end of a run it compares what it
//! has received with the history.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::super::audit::note;
use super::super::calls::{Caller, Missed, broken, change, in_time, put_of};
use super::super::record::Shared;
use super::super::trace::{Trace, simulated_now};
use super::observed::{Event, Observed};
use super::reached::Reached;
use super::wish::Wish;
use crate::differential::dice::Dice;
use crate::pace;

/// How many requests may wait to be sent on one stream.
const REQUESTS_WAITING_MAX: usize = 8;
/// Pause between two requests that ask how far the watch has got.
const ASK_PAUSE: Duration = Duration::from_millis(300);
/// Pause before the next attempt after a watch has ended.
const RETRY: Duration = Duration::from_millis(50);
/// How long after the last reading of the history an observer may take to receive the rest.
const WHOLE_MAX: Duration = Duration::from_secs(5);

/// A client of one node that watches with options. Clones share what it has received.
#[derive(Clone)]
pub struct Observer {
    name: &'static str,
    caller: Caller,
    seen: Rc<RefCell<Observed>>,
    record: Shared,
    trace: Trace,
    reached: Reached,
}

impl Observer {
    /// An observer of the node `name`, whose client is `caller`. The seed decides what it asks for.
    pub fn new(
        name: &'static str,
        caller: Caller,
        seed: u64,
        record: &Shared,
        trace: &Trace,
        reached: &Reached,
    ) -> Self {
        let wish = Wish::draw(&mut Dice::new(seed));
        trace.line(&format!("observer {name}: {wish}"));
        let seen = Rc::new(RefCell::new(Observed::new(wish)));
        let (record, trace, reached) = (record.clone(), trace.clone(), reached.clone());
        Observer { name, caller, seen, record, trace, reached }
    }

    /// Opens one watch after the other. Never returns.
    pub async fn run(self) {
        loop {
            match self.follow().await {
                Missed::Compacted(compacted) => {
                    self.reached.count("observer_compacted");
                    self.trace.line(&format!("observer {} is behind compaction {compacted}", self.name));
                    let asked = self.record.borrow().compaction_asked;
                    self.judge(self.seen.borrow_mut().lose(compacted, asked));
                }
                Missed::Other(status) => {
                    self.trace.line(&format!("observer {} ended {:?}", self.name, status.code()));
                    note(&self.record, &status);
                }
            }
            pace::pause(RETRY).await;
        }
    }

    fn judge(&self, outcome: Result<(), String>) {
        if let Err(what) = outcome {
            let what = format!("observer {} with {}: {what}", self.name, self.seen.borrow().wish());
            self.record.borrow_mut().broken.push(what);
        }
    }

    /// Opens one watch and takes what it sends until it ends.
    async fn follow(&self) -> Missed {
        let (requests, waiting) = mpsc::channel(REQUESTS_WAITING_MAX);
        let mut answers = match self.open(&requests, waiting).await {
            Ok(answers) => answers,
            Err(status) => return status.into(),
        };
        let ask = async {
            loop {
                pace::pause(ASK_PAUSE).await;
                let request = RequestUnion::ProgressRequest(pb::WatchProgressRequest {});
                // If the queue is full, earlier questions still wait.
                let _ = requests.try_send(pb::WatchRequest { request_union: Some(request) });
            }
        };
        let asks = self.seen.borrow().wish().asks;
        let take = async {
            let mut parts = Vec::new();
            loop {
                let answer = match answers.message().await {
                    Ok(Some(answer)) => answer,
                    Ok(None) => return Status::unavailable("the stream has ended").into(),
                    Err(status) => return status.into(),
                };
                if let Err(missed) = self.take(answer, &mut parts) {
                    return missed;
                }
            }
        };
        tokio::select! {
            biased;
            missed = take => missed,
            () = ask, if asks => unreachable!("it asks for ever"),
        }
    }

    async fn open(
        &self,
        requests: &mpsc::Sender<pb::WatchRequest>,
        waiting: mpsc::Receiver<pb::WatchRequest>,
    ) -> Result<Streaming<pb::WatchResponse>, Status> {
        let create = {
            let seen = self.seen.borrow();
            seen.wish().request(seen.done() + 1)
        };
        let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        requests.try_send(request).map_err(|_| Status::internal("a new queue has no room"))?;
        let mut client = WatchClient::new(self.caller.channel.clone()).max_decoding_message_size(usize::MAX);
        in_time(async { Ok(client.watch(ReceiverStream::new(waiting)).await?.into_inner()) }).await
    }

    /// Takes one answer. Its events are kept in `parts` until the last part of the answer is there.
    fn take(&self, answer: pb::WatchResponse, parts: &mut Vec<Event>) -> Result<(), Missed> {
        if answer.canceled && answer.compact_revision > 0 {
            return Err(Missed::Compacted(answer.compact_revision));
        }
        if answer.canceled {
            return Err(Status::data_loss(format!("the watch is cancelled: {}", answer.cancel_reason)).into());
        }
        let revision = answer.header.ok_or_else(|| broken("header"))?.revision;
        if answer.created {
            return Ok(());
        }
        if answer.events.is_empty() {
            self.trace.line(&format!("observer {} has everything up to {revision}", self.name));
            self.reached.count("progress_notified");
            self.seen.borrow_mut().notify(revision);
            return Ok(());
        }
        for mut event in answer.events {
            let before = event.prev_kv.take().map(|kv| change(put_of(kv))).transpose()?;
            parts.push(Event { change: change(event)?, before });
        }
        if !answer.fragment {
            let revisions = parts.first().zip(parts.last()).map(|(a, b)| (a.change.revision, b.change.revision));
            self.trace.line(&format!("observer {} {revisions:?}", self.name));
            let compacted = self.record.borrow().compaction_asked;
            self.judge(self.seen.borrow_mut().take(std::mem::take(parts), compacted));
        }
        Ok(())
    }

    /// Waits until the observer has everything that is due, and compares it with the history. Called after the last
    /// reading of the history; no client may write meanwhile.
    pub async fn finish(&self) {
        let end = simulated_now() + WHOLE_MAX;
        let is_whole = || self.seen.borrow().is_whole(&self.record.borrow().audited);
        while !is_whole() && simulated_now() < end {
            pace::pause(RETRY).await;
        }
        let broken = self.seen.borrow().violations(&self.record.borrow().audited);
        self.trace.line(&format!("observer {} has all up to {}", self.name, self.seen.borrow().done()));
        broken.into_iter().for_each(|what| self.judge(Err(what)));
    }
}
