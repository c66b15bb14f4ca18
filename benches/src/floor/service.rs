//! The KV and Watch services of the floor servers.

#![expect(clippy::disallowed_methods, reason = "a tool's task: its failure ends the run, not a node")]

use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::etcd::client::mvccpb;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::twins;
use naxos_proto::etcd::txn_request::TxnRequest;
use parking_lot::Mutex;
use pb::kv_server::Kv;
use pb::watch_server::Watch;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::committer::{Durable, Lane};
use super::watches::Watches;
use crate::load::keys::{Keys, Values};
use crate::load::work::ANSWER_KEYS;

/// Size of the values in the prepared answers, in bytes.
const VALUE_BYTES: usize = 256;

/// The services of one runtime.
#[derive(Clone)]
pub(super) struct Floor {
    committer: Option<Lane>,
    inbox: Arc<Mutex<Option<mpsc::Receiver<Durable>>>>,
    watches: Watches,
    answers: Arc<Vec<Bytes>>,
}

impl Floor {
    /// The services of the floor server that does nothing.
    pub(super) fn nothing() -> Self {
        let (keys, values) = (Keys { prefix: "floor/".to_owned(), count: ANSWER_KEYS }, Values::new(VALUE_BYTES));
        let answers = (0..ANSWER_KEYS).map(|n| key_value(keys.key(n), values.value()).encode_to_vec().into());
        Self {
            committer: None,
            inbox: Arc::default(),
            watches: Watches::default(),
            answers: Arc::new(answers.collect()),
        }
    }

    /// The services of the floor server that makes puts and Txns durable.
    pub(super) fn durable(lane: Lane, inbox: mpsc::Receiver<Durable>) -> Self {
        Self { committer: Some(lane), inbox: Arc::new(Mutex::new(Some(inbox))), ..Self::nothing() }
    }

    /// Starts the task that answers calls whose events are durable and sends those events to the watchers. It runs on
    /// the calling thread's runtime. The server that does nothing needs no such task.
    pub(super) fn on_this_runtime(self) -> Self {
        if let Some(mut inbox) = self.inbox.lock().take() {
            let watches = self.watches.clone();
            tokio::spawn(async move {
                while let Some(durable) = inbox.recv().await {
                    for call in durable.calls {
                        // A caller that is gone needs no answer.
                        let _ = call.send(());
                    }
                    watches.deliver(&durable.events);
                }
            });
        }
        self
    }

    async fn commit(&self, key: Bytes, value: Bytes) -> Result<(), Status> {
        let Some(lane) = &self.committer else { return Ok(()) };
        let event = mvccpb::Event { kv: Some(key_value(key, value)), ..Default::default() };
        if lane.commit(event.encode_to_vec().into()).await {
            Ok(())
        } else {
            Err(Status::unavailable("the committer is gone"))
        }
    }
}

fn key_value(key: Bytes, value: Bytes) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key,
        value,
        create_revision: 1_000,
        mod_revision: 1_000_000,
        version: 1_000,
        ..Default::default()
    }
}

fn header() -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader { cluster_id: 1 << 60, member_id: 1 << 60, revision: 1_000_000, raft_term: 2 })
}

#[tonic::async_trait]
impl Kv for Floor {
    async fn range(&self, request: Request<pb::RangeRequest>) -> Result<Response<twins::RangeResponse>, Status> {
        let kvs =
            if request.get_ref().range_end.is_empty() { self.answers[..1].to_vec() } else { self.answers.to_vec() };
        let count = kvs.len() as i64;
        Ok(Response::new(twins::RangeResponse { header: header(), kvs, count, ..Default::default() }))
    }

    async fn put(&self, request: Request<pb::PutRequest>) -> Result<Response<twins::PutResponse>, Status> {
        let request = request.into_inner();
        self.commit(request.key, request.value).await?;
        Ok(Response::new(twins::PutResponse { header: header(), prev_kv: None }))
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<pb::TxnResponse>, Status> {
        let mut responses = Vec::new();
        for op in request.into_inner().success {
            if let Some(pb::request_op::Request::RequestPut(put)) = op.request {
                self.commit(put.key, put.value).await?;
                let put = twins::PutResponse { header: header(), prev_kv: None };
                responses.push(pb::ResponseOp { response: Some(pb::response_op::Response::ResponsePut(put)) });
            }
        }
        Ok(Response::new(pb::TxnResponse { header: header(), succeeded: true, responses }))
    }

    async fn delete_range(
        &self,
        _: Request<pb::DeleteRangeRequest>,
    ) -> Result<Response<twins::DeleteRangeResponse>, Status> {
        Err(Status::unimplemented("this server deletes nothing"))
    }

    async fn compact(&self, _: Request<pb::CompactionRequest>) -> Result<Response<pb::CompactionResponse>, Status> {
        Err(Status::unimplemented("this server compacts nothing"))
    }
}

#[tonic::async_trait]
impl Watch for Floor {
    type WatchStream = ReceiverStream<Result<twins::WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<pb::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        request.into_inner().message().await?;
        Ok(Response::new(ReceiverStream::new(self.watches.add())))
    }
}
