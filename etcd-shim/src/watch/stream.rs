//! One gRPC Watch stream: its requests, and the answers that are not events.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::etcd::server::etcdserverpb::watch_create_request::FilterType;
use naxos_proto::etcd::server::etcdserverpb::watch_request::RequestUnion;
use naxos_proto::etcd::server::etcdserverpb::{ResponseHeader, WatchCreateRequest, WatchRequest};
use naxos_proto::etcd::twins::WatchResponse;
use naxos_proto::seams::Tasks;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::answers::{Answers, Outlet, answers};
use super::hub::{Hub, WatcherId};
use super::ranges::KeyRange;
use super::watcher::{Selection, Watcher, Way};
use crate::port::in_words_of_grpc_go;
use crate::state::EtcdError;

/// Serves the requests of `inbound`, in a task of `tasks`. Returns the stream that the client gets. The stream ends
/// when the client is gone, when `stop` is cancelled, when a request cannot be read, or when the client has closed its
/// side and has no watcher left. When the task ends, it calls `ended`. `header` is the header of all answers; the
/// revision is filled in for each.
pub fn serve(
    tasks: &Tasks,
    hub: Arc<Hub>,
    header: ResponseHeader,
    inbound: impl tokio_stream::Stream<Item = Result<WatchRequest, Status>> + Send + Unpin + 'static,
    stop: CancellationToken,
    ended: impl FnOnce() + Send + 'static,
) -> Answers {
    let (outlet, answers) = answers();
    let gone = answers.gone();
    let id = hub.new_stream();
    let watchers = Watchers { hub: Arc::clone(&hub), ids: BTreeMap::new() };
    let stream = Stream { hub, id, header, outlet, watchers, next_id: 0 };
    tasks.start("watch-stream", async move {
        stream.run(inbound, gone, stop).await;
        ended();
    });
    answers
}

struct Stream {
    hub: Arc<Hub>,
    id: u64,
    header: ResponseHeader,
    outlet: Outlet,
    watchers: Watchers,
    /// The id to try first for a watcher whose client leaves the choice to the server.
    next_id: i64,
}

/// The watchers of a stream. When this value is dropped, the hub removes them.
struct Watchers {
    hub: Arc<Hub>,
    /// The watchers by their ids on the stream.
    ids: BTreeMap<i64, WatcherId>,
}

impl Drop for Watchers {
    fn drop(&mut self) {
        let mut state = self.hub.state.lock();
        for watcher in self.ids.values() {
            self.hub.remove(&mut state, *watcher);
        }
    }
}

impl Stream {
    async fn run(
        mut self,
        mut inbound: impl tokio_stream::Stream<Item = Result<WatchRequest, Status>> + Unpin,
        gone: CancellationToken,
        stop: CancellationToken,
    ) {
        loop {
            let request = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    // If the stream is full, the client finds the connection closed.
                    let _ = self.outlet.try_send(Err(EtcdError::Stopped.into()));
                    return;
                }
                () = gone.cancelled() => return,
                request = inbound.next() => request,
            };
            let request = match request {
                Some(Ok(request)) => request,
                Some(Err(broken)) => {
                    // A client that reset the stream does not read the answer.
                    let _ = self.outlet.try_send(Err(in_words_of_grpc_go(broken)));
                    return;
                }
                None => return self.listen(gone, stop).await,
            };
            let answered = match request.request_union {
                Some(RequestUnion::CreateRequest(r)) => self.create(r).await,
                Some(RequestUnion::CancelRequest(r)) => self.cancel(r.watch_id).await,
                Some(RequestUnion::ProgressRequest(_)) => self.progress(),
                None => Some(()),
            };
            if answered.is_none() {
                return;
            }
        }
    }

    /// Waits for the end of a stream whose client has closed its side but still reads the answers.
    async fn listen(self, gone: CancellationToken, stop: CancellationToken) {
        let Self { outlet, watchers, .. } = self;
        // The hub's watchers now hold the only senders. When the last watcher ends, the client gets the end of the
        // stream: nothing could come on it any more.
        let weak = outlet.downgrade();
        drop(outlet);
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                if let Some(outlet) = weak.upgrade() {
                    let _ = outlet.try_send(Err(EtcdError::Stopped.into()));
                }
            }
            () = gone.cancelled() => {}
        }
        drop(watchers);
    }

    /// The answer to a create request that is refused.
    fn refusal(&self, reason: &str) -> WatchResponse {
        let revision = self.hub.config.store.read().revision;
        WatchResponse {
            header: Some(ResponseHeader { revision, ..self.header }),
            watch_id: -1,
            created: true,
            canceled: true,
            cancel_reason: reason.to_owned(),
            ..WatchResponse::default()
        }
    }

    fn taken_id(&self, asked: i64) -> bool {
        asked != 0 && self.watchers.ids.contains_key(&asked)
    }

    /// Creates a watcher. Returns `None` when the client is gone.
    async fn create(&mut self, r: WatchCreateRequest) -> Option<()> {
        let refused = if r.start_revision < 0 {
            Some(EtcdError::Compacted.text())
        } else if !r.range_end.is_empty() && r.range_end[..] != [0] && r.range_end <= r.key {
            Some("mvcc: watcher range is empty")
        } else if self.taken_id(r.watch_id) {
            Some("mvcc: duplicate watch ID provided on the WatchStream")
        } else {
            None
        };
        if let Some(reason) = refused {
            return self.outlet.send(Ok(self.refusal(reason).into())).await.ok();
        }
        let permit = self.outlet.clone().reserve_owned().await.ok()?;
        let id = self.choose_id(r.watch_id);
        // The hub stays locked while the revision is read and the watcher is added. So the watcher misses no event in
        // between.
        let mut state = self.hub.state.lock();
        let revision = self.hub.config.store.read().revision;
        let start = if r.start_revision == 0 { revision + 1 } else { r.start_revision };
        let watcher = Watcher {
            id,
            stream: self.id,
            selection: selection(&r),
            fragment: r.fragment,
            progress_notify: r.progress_notify,
            busy: false,
            start: r.start_revision,
            next: start,
            way: Way::Index,
            outlet: self.outlet.clone(),
            header: self.header,
        };
        let created = WatchResponse { created: true, ..watcher.answer(revision) };
        permit.send(Ok(created.into()));
        let number = self.hub.add(&mut state, watcher);
        self.watchers.ids.insert(id, number);
        Some(())
    }

    /// The id that the client asked for, or a free one if the client asked for 0.
    fn choose_id(&mut self, asked: i64) -> i64 {
        if asked != 0 {
            return asked;
        }
        while self.watchers.ids.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    async fn cancel(&mut self, id: i64) -> Option<()> {
        let Some(number) = self.watchers.ids.remove(&id) else { return Some(()) };
        // If a compaction has already ended the watcher, the client was told so then. As in etcd, the client still gets
        // the answer to its cancel request.
        self.hub.remove(&mut self.hub.state.lock(), number);
        let revision = self.hub.config.store.read().revision;
        let answer = WatchResponse {
            header: Some(ResponseHeader { revision, ..self.header }),
            watch_id: id,
            canceled: true,
            ..WatchResponse::default()
        };
        self.outlet.send(Ok(answer.into())).await.ok()
    }

    fn progress(&self) -> Option<()> {
        let mut state = self.hub.state.lock();
        if let Some(answer) = self.hub.progress_of(&mut state, self.id) {
            // If the stream is full, this answer is dropped. A client that still needs it asks again.
            let _ = self.outlet.try_send(Ok(answer.into()));
        }
        Some(())
    }
}

fn selection(r: &WatchCreateRequest) -> Selection {
    // An empty key means the first key. An empty end means the key alone. An end of one zero byte means all keys from
    // the key on.
    let from = if r.key.is_empty() { Bytes::from_static(b"\0") } else { Bytes::copy_from_slice(&r.key) };
    let below = match &r.range_end[..] {
        [] => {
            let mut next = from.to_vec();
            next.push(0);
            Some(Bytes::from(next))
        }
        [0] => None,
        end => Some(Bytes::copy_from_slice(end)),
    };
    let filtered = |filter: FilterType| r.filters.contains(&(filter as i32));
    Selection {
        range: KeyRange { from, below },
        no_put: filtered(FilterType::Noput),
        no_delete: filtered(FilterType::Nodelete),
        prev_kv: r.prev_kv,
    }
}
