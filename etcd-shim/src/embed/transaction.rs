//! [`Transaction`]: changes that are made together or not at all.

use bytes::Bytes;
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::server::etcdserverpb::response_op::Response;
use naxos_proto::etcd::server::etcdserverpb::{self as pb};
use naxos_proto::etcd::txn_request::TxnRequest;

use super::pair::pairs;
use super::{Condition, Error, Naxos, Pair};
use crate::state::Keys;

/// Changes that are made together or not at all, and only if all conditions hold.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use naxos::{Answer, Condition, Naxos};
/// let store = Naxos::memory().await?;
/// let taken = store.txn().when(Condition::is_missing("lock")).put("lock", "me").commit().await?;
/// assert!(taken.succeeded);
///
/// // Somebody else takes the lock, or else learns who has it.
/// let take = store.txn().when(Condition::is_missing("lock")).put("lock", "you");
/// let tried = take.otherwise().get("lock").commit().await?;
/// assert!(!tried.succeeded);
/// assert!(matches!(&tried.answers[0], Answer::Found(pairs) if pairs[0].value == "me"));
/// # Ok::<(), naxos::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a transaction does nothing before `commit`"]
pub struct Transaction<'a> {
    store: &'a Naxos,
    request: TxnRequest,
    /// Whether further operations are for the case that a condition does not hold.
    otherwise: bool,
}

/// What a transaction has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether all conditions held. If not, the operations after [`Transaction::otherwise`] were carried out.
    pub succeeded: bool,
    /// The revision of the store after the transaction. All its changes have this revision.
    pub revision: i64,
    /// One answer for each operation that was carried out, in their order.
    pub answers: Vec<Answer>,
}

/// The answer to one operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The key was put.
    Put,
    /// This many keys were deleted.
    Deleted(u64),
    /// The keys that were read.
    Found(Vec<Pair>),
}

impl<'a> Transaction<'a> {
    pub(super) fn new(store: &'a Naxos) -> Self {
        Self { store, request: TxnRequest::default(), otherwise: false }
    }

    /// Adds a condition. All of them must hold.
    pub fn when(mut self, condition: Condition) -> Self {
        self.request.compare.push(condition.0);
        self
    }

    /// The operations after this one are carried out if a condition does not hold, instead of those before it.
    pub fn otherwise(mut self) -> Self {
        self.otherwise = true;
        self
    }

    /// Puts a key.
    pub fn put(self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let (key, value) = (Bytes::copy_from_slice(key.as_ref()), Bytes::copy_from_slice(value.as_ref()));
        self.add(Request::RequestPut(pb::PutRequest { key, value, ..pb::PutRequest::default() }))
    }

    /// Deletes keys.
    pub fn delete(self, keys: impl Into<Keys>) -> Self {
        let Keys { key, range_end } = keys.into();
        self.add(Request::RequestDeleteRange(pb::DeleteRangeRequest { key, range_end, prev_kv: false }))
    }

    /// Reads keys, as they are after the operations before this one.
    pub fn get(self, keys: impl Into<Keys>) -> Self {
        let Keys { key, range_end } = keys.into();
        self.add(Request::RequestRange(pb::RangeRequest { key, range_end, ..pb::RangeRequest::default() }))
    }

    /// Carries the transaction out.
    ///
    /// # Errors
    /// If the transaction is wrong (for example, it changes a key twice), if it was not carried out, or if nobody knows
    /// whether it was.
    pub async fn commit(self) -> Result<Outcome, Error> {
        let answer = self.store.transact(self.request).await?;
        let answers = answer.responses.into_iter().filter_map(|one| one.response).map(|one| match one {
            Response::ResponsePut(_) => Ok(Answer::Put),
            Response::ResponseDeleteRange(deleted) => Ok(Answer::Deleted(deleted.deleted.unsigned_abs())),
            Response::ResponseRange(found) => pairs(found).map(Answer::Found),
            Response::ResponseTxn(_) => unreachable!("no transaction is put into another one"),
        });
        let answers = answers.collect::<Result<_, Error>>()?;
        Ok(Outcome { succeeded: answer.succeeded, revision: answer.header.map_or(0, |h| h.revision), answers })
    }

    fn add(mut self, operation: Request) -> Self {
        let branch = if self.otherwise { &mut self.request.failure } else { &mut self.request.success };
        branch.push(pb::RequestOp { request: Some(operation) });
        self
    }
}
