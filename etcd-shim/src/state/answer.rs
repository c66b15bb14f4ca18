//! [`Answer`]: what a command yields.

use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::twins::{DeleteRangeResponse, PutResponse};

use super::error::EtcdError;

/// What a command yields.
#[derive(Debug)]
pub enum Answer {
    /// Of Put.
    Put(PutResponse),
    /// Of DeleteRange.
    DeleteRange(DeleteRangeResponse),
    /// Of Txn.
    Txn(pb::TxnResponse),
    /// Of everything whose answer is a header alone.
    Done,
    /// Of LeaseGrant.
    Granted(pb::LeaseGrantResponse),
    /// Of Alarm.
    Alarms(Vec<pb::AlarmMember>),
}

/// A command's answer and the store's revision after it, or why it was refused.
pub type Outcome = Result<(Answer, i64), EtcdError>;
