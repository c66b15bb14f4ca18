//! One client. It makes the calls of its [`Work`], one at a time.

use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::twins;
use pb::kv_client::KvClient;
use tonic::Status;
use tonic::codegen::http::uri::PathAndQuery;

use super::connection::{Connection, Endpoint};
use super::keys::{Keys, Random, Values};
use super::work::{ANSWER_KEYS, Work};

/// The path on which the generated client calls Range. This client calls it with an answer type that leaves the pairs
/// encoded, because decoding 500 pairs for each answer would take CPU time from the server.
const RANGE_PATH: PathAndQuery = PathAndQuery::from_static("/etcdserverpb.KV/Range");

/// What all clients of a run share.
#[derive(Debug, Clone)]
pub struct Task {
    /// The kind of work.
    pub work: Work,
    /// The keys to use.
    pub keys: Keys,
    /// The values to put.
    pub values: Values,
    /// The revision to read at; 0 is the current one.
    pub revision: i64,
    /// Number of other keys that have the same prefix and come after those of `keys`. Counts in answers include them.
    pub extra_keys: u64,
    /// Whether the answers of lists and pages must have exactly the right number of keys. False for the floor servers,
    /// whose answers are prepared, and for a load without preload. A get must find its key in any case.
    pub checked: bool,
}

impl Task {
    /// Puts values of this size under `count` keys that begin with `prefix`.
    pub fn puts(prefix: &str, count: u64, value_bytes: usize) -> Self {
        Self {
            work: Work::Put,
            keys: Keys { prefix: prefix.to_owned(), count },
            values: Values::new(value_bytes),
            revision: 0,
            extra_keys: 0,
            checked: true,
        }
    }
}

/// The outcome of a call that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The call did what was asked.
    Ok,
    /// The Txn found that the key had changed since it was read.
    Conflict,
}

/// A client with one call in flight.
#[derive(Debug)]
pub struct Client {
    kv: KvClient<Connection>,
    raw: tonic::client::Grpc<Connection>,
    task: Task,
    random: Random,
}

impl Client {
    /// A client that chooses its keys with a random generator of this seed.
    pub fn new(connection: &Connection, endpoint: &Endpoint, task: Task, seed: u64) -> Self {
        Self {
            kv: KvClient::with_origin(connection.clone(), endpoint.origin()),
            raw: tonic::client::Grpc::with_origin(connection.clone(), endpoint.origin()),
            task,
            random: Random::new(seed),
        }
    }

    /// Makes one operation. An answer of the wrong form is an error too.
    pub async fn call(&mut self) -> Result<Done, Status> {
        match self.task.work {
            Work::Put | Work::Watch => self.put().await,
            Work::Get => self.get().await,
            Work::Update => self.update().await,
            Work::List => self.list().await,
            Work::Page => self.page().await,
        }
    }

    async fn put(&mut self) -> Result<Done, Status> {
        let key = self.task.keys.key(self.random.below(self.task.keys.count));
        self.kv.put(pb::PutRequest { key, value: self.task.values.value(), ..Default::default() }).await?;
        Ok(Done::Ok)
    }

    async fn get(&mut self) -> Result<Done, Status> {
        let key = self.task.keys.key(self.random.below(self.task.keys.count));
        let revision = self.task.revision;
        let found = self.kv.range(pb::RangeRequest { key, revision, ..Default::default() }).await?.into_inner();
        expect(found.kvs.len() == 1, "a get found no key")
    }

    async fn update(&mut self) -> Result<Done, Status> {
        let key = self.task.keys.key(self.random.below(self.task.keys.count));
        let get = pb::RangeRequest { key: key.clone(), ..Default::default() };
        let found = self.kv.range(get.clone()).await?.into_inner();
        let revision = found.kvs.first().map_or(0, |kv| kv.mod_revision);
        let put = pb::PutRequest { key: key.clone(), value: self.task.values.value(), ..Default::default() };
        let same = pb::Compare {
            result: pb::compare::CompareResult::Equal as i32,
            target: pb::compare::CompareTarget::Mod as i32,
            key,
            target_union: Some(pb::compare::TargetUnion::ModRevision(revision)),
            ..Default::default()
        };
        let txn = pb::TxnRequest {
            compare: vec![same],
            success: vec![pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put)) }],
            failure: vec![pb::RequestOp { request: Some(pb::request_op::Request::RequestRange(get)) }],
        };
        let answer = self.kv.txn(txn).await?.into_inner();
        Ok(if answer.succeeded { Done::Ok } else { Done::Conflict })
    }

    async fn list(&mut self) -> Result<Done, Status> {
        let keys = &self.task.keys;
        let wanted = ANSWER_KEYS.min(keys.count);
        let first = self.random.below(keys.count - wanted + 1);
        let request = pb::RangeRequest {
            key: keys.key(first),
            // Not `keys.end()`, because that range also has the extra keys.
            range_end: keys.key(first + wanted),
            revision: self.task.revision,
            ..Default::default()
        };
        let found = self.range(request).await?;
        expect(found.kvs.len() as u64 == wanted || !self.task.checked, "a list has too few keys or too many")
    }

    async fn page(&mut self) -> Result<Done, Status> {
        let keys = &self.task.keys;
        let first = self.random.below(keys.count.div_ceil(ANSWER_KEYS)) * ANSWER_KEYS;
        let left = keys.count - first + self.task.extra_keys;
        let request = pb::RangeRequest {
            key: keys.key(first),
            range_end: keys.end(),
            limit: ANSWER_KEYS.cast_signed(),
            revision: self.task.revision,
            ..Default::default()
        };
        let found = self.range(request).await?;
        let whole = found.kvs.len() as u64 == left.min(ANSWER_KEYS) && found.count == left.cast_signed();
        expect(whole || !self.task.checked, "a page has the wrong number of keys or the wrong count")
    }

    async fn range(&mut self, request: pb::RangeRequest) -> Result<twins::RangeResponse, Status> {
        self.raw.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec = tonic_prost::ProstCodec::<pb::RangeRequest, twins::RangeResponse>::default();
        Ok(self.raw.unary(tonic::Request::new(request), RANGE_PATH, codec).await?.into_inner())
    }
}

fn expect(right: bool, words: &str) -> Result<Done, Status> {
    if right { Ok(Done::Ok) } else { Err(Status::data_loss(words)) }
}
