//! A watcher on its own stream. Events are counted and stay encoded. Only the first and the last event of an answer are
//! decoded, when a caller asks for them.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use naxos_proto::etcd::client::{etcdserverpb as pb, mvccpb};
use prost::Message;
use tokio_stream::StreamExt;
use tonic::Streaming;
use tonic::codegen::http::uri::PathAndQuery;

use super::connection::{Connection, Endpoint};
use super::keys::Keys;

const WATCH_PATH: PathAndQuery = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");

/// `etcdserverpb.WatchResponse` whose events stay encoded.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    header: Option<pb::ResponseHeader>,
    #[prost(bool, tag = "3")]
    created: bool,
    #[prost(bool, tag = "4")]
    canceled: bool,
    #[prost(string, tag = "6")]
    cancel_reason: String,
    #[prost(bytes = "bytes", repeated, tag = "11")]
    events: Vec<Bytes>,
}

/// The events of one answer, in order.
#[derive(Debug)]
pub struct Events {
    encoded: Vec<Bytes>,
}

impl Events {
    /// Number of events.
    pub fn count(&self) -> u64 {
        self.encoded.len() as u64
    }

    /// The key and value of the oldest event.
    pub fn first(&self) -> Option<mvccpb::KeyValue> {
        mvccpb::Event::decode(self.encoded.first()?.clone()).ok()?.kv
    }

    /// The revision of the newest event; 0 if there is none.
    pub fn last_revision(&self) -> i64 {
        let last = self.encoded.last().and_then(|event| mvccpb::Event::decode(event.clone()).ok());
        last.and_then(|event| event.kv).map_or(0, |kv| kv.mod_revision)
    }
}

/// An open watch. Dropping it cancels the watch.
#[derive(Debug)]
pub struct Watcher {
    answers: Streaming<Answer>,
    // The stream of requests stays open as long as this exists.
    _requests: tokio::sync::mpsc::Sender<pb::WatchRequest>,
}

impl Watcher {
    /// Watches every key of `keys` from `start_revision` (0: from now on), and waits until the server confirms it.
    pub async fn open(connection: &Connection, endpoint: &Endpoint, keys: &Keys, start_revision: i64) -> Result<Self> {
        let mut raw = tonic::client::Grpc::with_origin(connection.clone(), endpoint.origin());
        raw.ready().await.context("the connection closed")?;
        let create = pb::WatchCreateRequest {
            key: Bytes::from(keys.prefix.clone()),
            range_end: keys.end(),
            start_revision,
            ..Default::default()
        };
        let create = pb::WatchRequest { request_union: Some(pb::watch_request::RequestUnion::CreateRequest(create)) };
        let (requests, stream) = tokio::sync::mpsc::channel(1);
        requests.send(create).await.context("the stream of requests closed")?;
        let stream = tonic::Request::new(tokio_stream::wrappers::ReceiverStream::new(stream));
        let codec = tonic_prost::ProstCodec::<pb::WatchRequest, Answer>::default();
        let mut answers = raw.streaming(stream, WATCH_PATH, codec).await?.into_inner();
        match answers.next().await {
            Some(Ok(answer)) if answer.created && !answer.canceled => Ok(Self { answers, _requests: requests }),
            Some(Ok(answer)) => bail!("the watch was refused: {}", answer.cancel_reason),
            Some(Err(status)) => Err(status).context("watch"),
            None => bail!("the watch ended before it began"),
        }
    }

    /// Waits for the next events.
    pub async fn next(&mut self) -> Result<Events> {
        match self.answers.next().await {
            Some(Ok(answer)) if !answer.canceled => Ok(Events { encoded: answer.events }),
            Some(Ok(answer)) => bail!("the watch was cancelled: {}", answer.cancel_reason),
            Some(Err(status)) => Err(status).context("watch"),
            None => bail!("the watch ended"),
        }
    }
}
