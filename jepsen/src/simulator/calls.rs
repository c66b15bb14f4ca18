//! [`Caller`]: one client of the node, on any channel.

use std::time::Duration;

use bytes::Bytes;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::mvccpb::{Event, KeyValue, event::EventType};
use pb::compare::{CompareResult, CompareTarget, TargetUnion};
use pb::kv_client::KvClient;
use pb::maintenance_client::MaintenanceClient;
use pb::request_op::Request;
use pb::response_op::Response;
use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::record::{Answer, Asked, Change, Operation};
use crate::pace;

/// How long a caller waits for an answer. After that, the outcome of the call counts as unknown. In a turmoil
/// simulation this is simulated time.
const CALL_MAX: Duration = Duration::from_millis(700);
/// The range of all keys: its first key and its end, as etcd's API writes them.
const ALL: (&[u8], &[u8]) = (b"\0", b"\0");
/// A swap also writes a copy of the value, under the same key with this prefix.
const MIRROR: &str = "mirror/";

/// The key of the copy that a swap writes together with `key`.
pub fn mirror(key: &str) -> String {
    format!("{MIRROR}{key}")
}

/// An open watch of all keys. Dropping it closes the watch.
pub struct Watching {
    answers: Streaming<pb::WatchResponse>,
    _requests: mpsc::Sender<pb::WatchRequest>,
}

/// One client of the node.
#[derive(Clone)]
pub struct Caller {
    pub(super) channel: Channel,
}

/// Why a watch has ended.
#[derive(Debug)]
pub enum Missed {
    /// The server has compacted up to this revision.
    Compacted(i64),
    /// Any other error.
    Other(Status),
}

impl From<Status> for Missed {
    fn from(status: Status) -> Self {
        Missed::Other(status)
    }
}

/// Whether the outcome of the call is unknown after this error.
pub fn is_unknown(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::DeadlineExceeded | Code::Cancelled | Code::Internal
    )
}

/// Whether the error says that nothing was done and the call may be repeated later.
pub fn is_refused(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted
}

pub(super) fn broken(what: &str) -> Status {
    Status::data_loss(format!("the answer has no {what}"))
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn found(kvs: &[KeyValue]) -> Option<(i64, String)> {
    kvs.first().map(|kv| (kv.mod_revision, text(&kv.value)))
}

pub(super) fn change(event: Event) -> Result<Change, Status> {
    let removed = event.r#type == i32::from(EventType::Delete);
    let kv = event.kv.ok_or_else(|| broken("key in an event"))?;
    Ok(Change {
        revision: kv.mod_revision,
        key: text(&kv.key),
        value: (!removed).then(|| text(&kv.value)),
        created: kv.create_revision,
        version: kv.version,
    })
}

/// The event that wrote this key and value.
pub(super) fn put_of(kv: KeyValue) -> Event {
    Event { r#type: EventType::Put.into(), kv: Some(kv), prev_kv: None }
}

pub(super) async fn in_time<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    pace::within(CALL_MAX, call).await.unwrap_or_else(|| Err(Status::deadline_exceeded("the client waits no longer")))
}

fn put(key: &str, value: &str) -> pb::PutRequest {
    pb::PutRequest { key: key.to_owned().into(), value: value.to_owned().into(), ..Default::default() }
}

fn get(key: &str) -> pb::RangeRequest {
    pb::RangeRequest { key: key.to_owned().into(), ..Default::default() }
}

fn swap(key: &str, value: &str, expected: i64) -> pb::TxnRequest {
    let op = |request| pb::RequestOp { request: Some(request) };
    pb::TxnRequest {
        compare: vec![pb::Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Mod.into(),
            key: key.to_owned().into(),
            range_end: Bytes::new(),
            target_union: Some(TargetUnion::ModRevision(expected)),
        }],
        success: vec![op(Request::RequestPut(put(key, value))), op(Request::RequestPut(put(&mirror(key), value)))],
        failure: vec![op(Request::RequestRange(get(key)))],
    }
}

impl Caller {
    /// A client that uses this channel.
    pub fn new(channel: Channel) -> Self {
        Caller { channel }
    }

    fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.channel.clone())
    }

    /// Makes the call for `operation`.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn call(&self, operation: &Operation) -> Result<Answer, Status> {
        let (key, value) = (&operation.key, &operation.value);
        in_time(async {
            match &operation.asked {
                Asked::Get => self.get(get(key)).await,
                Asked::GetAt { revision } => self.get(pb::RangeRequest { revision: *revision, ..get(key) }).await,
                Asked::Put => {
                    let request = pb::PutRequest { lease: operation.lease, ..put(key, value) };
                    let answer = self.kv().put(request).await?.into_inner();
                    let header = answer.header.ok_or_else(|| broken("header"))?;
                    Ok(Answer { revision: header.revision, written: true, found: None })
                }
                Asked::Delete => {
                    let request = pb::DeleteRangeRequest { key: key.clone().into(), ..Default::default() };
                    let answer = self.kv().delete_range(request).await?.into_inner();
                    let header = answer.header.ok_or_else(|| broken("header"))?;
                    Ok(Answer { revision: header.revision, written: answer.deleted == 1, found: None })
                }
                Asked::Swap { expected } => self.swap(key, value, *expected).await,
            }
        })
        .await
    }

    async fn get(&self, request: pb::RangeRequest) -> Result<Answer, Status> {
        let answer = self.kv().range(request).await?.into_inner();
        let header = answer.header.ok_or_else(|| broken("header"))?;
        Ok(Answer { revision: header.revision, written: false, found: found(&answer.kvs) })
    }

    async fn swap(&self, key: &str, value: &str, expected: i64) -> Result<Answer, Status> {
        let answer = self.kv().txn(swap(key, value, expected)).await?.into_inner();
        let header = answer.header.ok_or_else(|| broken("header"))?;
        let found = match answer.responses.first().and_then(|r| r.response.as_ref()) {
            Some(Response::ResponseRange(range)) => found(&range.kvs),
            _ => None,
        };
        Ok(Answer { revision: header.revision, written: answer.succeeded, found })
    }

    /// The newest revision, found by a linearizable read.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn revision(&self) -> Result<i64, Status> {
        in_time(async { Ok(self.get(get("none")).await?.revision) }).await
    }

    /// The revision of the answer, and the last change of each key that exists.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn all(&self) -> Result<(i64, Vec<Change>), Status> {
        let (key, range_end) = (Bytes::from_static(ALL.0), Bytes::from_static(ALL.1));
        let request = pb::RangeRequest { key, range_end, ..Default::default() };
        in_time(async {
            let answer = self.kv().range(request).await?.into_inner();
            let header = answer.header.ok_or_else(|| broken("header"))?;
            let state = answer.kvs.into_iter().map(put_of).map(change).collect::<Result<_, _>>()?;
            Ok((header.revision, state))
        })
        .await
    }

    /// The checksum of the store.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn checksum(&self) -> Result<u32, Status> {
        let mut maintenance = MaintenanceClient::new(self.channel.clone());
        in_time(async { Ok(maintenance.hash(pb::HashRequest {}).await?.into_inner().hash) }).await
    }

    /// Opens a watch of all keys from a revision on.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn watch(&self, from: i64) -> Result<Watching, Status> {
        let create = pb::WatchCreateRequest {
            key: Bytes::from_static(ALL.0),
            range_end: Bytes::from_static(ALL.1),
            start_revision: from,
            ..Default::default()
        };
        let (requests, waiting) = mpsc::channel(1);
        let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        requests.try_send(request).map_err(|_| Status::internal("a new queue has no room"))?;
        let mut client = WatchClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        let answers = in_time(async { Ok(client.watch(ReceiverStream::new(waiting)).await?.into_inner()) }).await?;
        Ok(Watching { answers, _requests: requests })
    }
}

impl Watching {
    /// Waits for the next changes.
    ///
    /// # Errors
    /// [`Missed::Compacted`] if a compaction ended the watch. Otherwise the error of the stream, with the code
    /// `DataLoss` if the server cancelled the watch.
    pub async fn next(&mut self) -> Result<Vec<Change>, Missed> {
        let answer = self.answers.message().await?.ok_or_else(|| Status::unavailable("the stream has ended"))?;
        if answer.canceled && answer.compact_revision > 0 {
            return Err(Missed::Compacted(answer.compact_revision));
        }
        if answer.canceled {
            return Err(Status::data_loss(format!("the watch is cancelled: {}", answer.cancel_reason)).into());
        }
        Ok(answer.events.into_iter().map(change).collect::<Result<_, _>>()?)
    }
}
