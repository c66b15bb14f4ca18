//! [`Answer`]: the result of a command.

use naxos_engines::objects;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::twins::{DeleteRangeResponse, PutResponse};

use super::error::EtcdError;
use super::own::{Applied, Refused};

/// The result of a command.
#[derive(Debug)]
pub enum Answer {
    /// The answer to a Put.
    Put(PutResponse),
    /// The answer to a DeleteRange.
    DeleteRange(DeleteRangeResponse),
    /// The answer to a Txn.
    Txn(pb::TxnResponse),
    /// The answer to all commands whose answer is only a header.
    Done,
    /// The answer to a LeaseGrant.
    Granted(pb::LeaseGrantResponse),
    /// The answer to an Alarm.
    Alarms(Vec<pb::AlarmMember>),
    /// The answer to a command of the program's own state machine.
    Own(Result<Applied, Refused>),
    /// The answer to a command of the replicated objects.
    Objects(objects::Applied),
}

/// A command's answer and the store's revision after the command, or why the command was refused.
pub type Outcome = Result<(Answer, i64), EtcdError>;
