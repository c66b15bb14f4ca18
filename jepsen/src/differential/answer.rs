//! A server's answer, reduced to the part that must be equal on both servers.
//!
//! Some values differ from server to server: the ids of cluster and member, the term, raft indexes, sizes and remaining
//! lifetimes. Of these only the sign is kept. The ports of members are removed. Items that may come in any order are
//! sorted.

use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::mvccpb::KeyValue;
use pb::range_request::{SortOrder, SortTarget};
use pb::request_op::Request as Op;
use pb::response_op::Response as OpAnswer;

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Range(pb::RangeResponse),
    Put(pb::PutResponse),
    DeleteRange(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse),
    Compact(pb::CompactionResponse),
    LeaseGrant(pb::LeaseGrantResponse),
    LeaseRevoke(pb::LeaseRevokeResponse),
    LeaseTimeToLive(pb::LeaseTimeToLiveResponse),
    LeaseLeases(pb::LeaseLeasesResponse),
    LeaseKeepAlive(pb::LeaseKeepAliveResponse),
    HashKv(pb::HashKvResponse),
    Status(pb::StatusResponse),
    MemberList(pb::MemberListResponse),
    Alarm(pb::AlarmResponse),
    /// The call failed with this code and message.
    Refused {
        code: tonic::Code,
        message: String,
    },
}

impl From<tonic::Status> for Answer {
    fn from(status: tonic::Status) -> Self {
        Answer::Refused { code: status.code(), message: status.message().to_owned() }
    }
}

impl Answer {
    /// The revision in the header, if the answer has a header.
    pub fn revision(&self) -> Option<i64> {
        let header = match self {
            Answer::Range(a) => &a.header,
            Answer::Put(a) => &a.header,
            Answer::DeleteRange(a) => &a.header,
            Answer::Txn(a) => &a.header,
            Answer::Compact(a) => &a.header,
            Answer::LeaseGrant(a) => &a.header,
            Answer::LeaseRevoke(a) => &a.header,
            Answer::LeaseTimeToLive(a) => &a.header,
            Answer::LeaseLeases(a) => &a.header,
            Answer::LeaseKeepAlive(a) => &a.header,
            Answer::HashKv(a) => &a.header,
            Answer::Status(a) => &a.header,
            Answer::MemberList(a) => &a.header,
            Answer::Alarm(a) => &a.header,
            Answer::Refused { .. } => &None,
        };
        header.as_ref().map(|header| header.revision)
    }
}

/// Keeps only the revision of a header. Ids and term must be there, but differ from server to server.
pub fn plain_header(header: &mut Option<pb::ResponseHeader>) {
    if let Some(header) = header {
        header.cluster_id = header.cluster_id.min(1);
        header.member_id = header.member_id.min(1);
        header.raft_term = header.raft_term.min(1);
    }
}

/// A server may list items in any order if they compare as equal in the sort that the request asks for. This function
/// orders such items by their keys. It also reduces the header.
pub fn plain_range(asked: &pb::RangeRequest, answer: &mut pb::RangeResponse) {
    plain_header(&mut answer.header);
    let target = asked.sort_target();
    if target == SortTarget::Key && asked.sort_order() != SortOrder::Descend || answer.kvs.is_empty() {
        return;
    }
    let rank = |kv: &KeyValue| -> Vec<u8> {
        match target {
            SortTarget::Key => kv.key.to_vec(),
            SortTarget::Version => kv.version.to_be_bytes().to_vec(),
            SortTarget::Create => kv.create_revision.to_be_bytes().to_vec(),
            SortTarget::Mod => kv.mod_revision.to_be_bytes().to_vec(),
            // The answer does not have the values that it was sorted by, so all items count as equal.
            SortTarget::Value if asked.keys_only => Vec::new(),
            SortTarget::Value => kv.value.to_vec(),
        }
    };
    let last = rank(&answer.kvs[answer.kvs.len() - 1]);
    if answer.more {
        // The limit may have cut through the last group of equal items. Then any of them may be in the answer.
        for kv in answer.kvs.iter_mut().filter(|kv| rank(kv) == last) {
            *kv = KeyValue::default();
        }
    }
    for ties in answer.kvs.chunk_by_mut(|a, b| rank(a) == rank(b)) {
        ties.sort_by(|a, b| a.key.cmp(&b.key));
    }
}

/// Reduces a transaction's answer. Each range of the branch that ran is reduced according to its request.
pub fn plain_txn(asked: &pb::TxnRequest, answer: &mut pb::TxnResponse) {
    plain_header(&mut answer.header);
    let ran = if answer.succeeded { &asked.success } else { &asked.failure };
    for (op, answered) in ran.iter().zip(answer.responses.iter_mut()) {
        match (op.request.as_ref(), answered.response.as_mut()) {
            (Some(Op::RequestRange(asked)), Some(OpAnswer::ResponseRange(answer))) => plain_range(asked, answer),
            (Some(Op::RequestTxn(asked)), Some(OpAnswer::ResponseTxn(answer))) => plain_txn(asked, answer),
            (_, Some(OpAnswer::ResponsePut(answer))) => plain_header(&mut answer.header),
            (_, Some(OpAnswer::ResponseDeleteRange(answer))) => plain_header(&mut answer.header),
            _ => {}
        }
    }
}

/// Replaces the remaining lifetime, which depends on the clock, by its sign. Sorts the attached keys, which etcd lists
/// in any order.
pub fn plain_time_to_live(answer: &mut pb::LeaseTimeToLiveResponse) {
    plain_header(&mut answer.header);
    answer.ttl = answer.ttl.signum();
    answer.keys.sort();
}

/// Sorts the leases. The server lists them by expiry, which depends on the clock.
pub fn plain_leases(answer: &mut pb::LeaseLeasesResponse) {
    plain_header(&mut answer.header);
    answer.leases.sort_by_key(|lease| lease.id);
}

/// Reduces each size, id, index and term to 0 or 1, because its value differs from server to server: only whether it is 0
/// is compared. The other fields, such as version, errors and quota, are compared as they are.
pub fn plain_status(answer: &mut pb::StatusResponse) {
    plain_header(&mut answer.header);
    answer.db_size = answer.db_size.signum();
    answer.db_size_in_use = answer.db_size_in_use.signum();
    answer.leader = answer.leader.min(1);
    answer.raft_index = answer.raft_index.min(1);
    answer.raft_applied_index = answer.raft_applied_index.min(1);
    answer.raft_term = answer.raft_term.min(1);
}

/// Removes the ports of members. Of their ids, keeps only whether they are zero. Ports and ids differ from server to
/// server.
pub fn plain_members(answer: &mut pb::MemberListResponse) {
    plain_header(&mut answer.header);
    for member in &mut answer.members {
        member.id = member.id.min(1);
        for url in member.peer_ur_ls.iter_mut().chain(&mut member.client_ur_ls) {
            url.truncate(url.rfind(':').unwrap_or(url.len()));
        }
    }
}

/// Of the member's id in an alarm, keeps only whether it is zero.
pub fn plain_alarms(answer: &mut pb::AlarmResponse) {
    plain_header(&mut answer.header);
    for alarm in &mut answer.alarms {
        alarm.member_id = alarm.member_id.min(1);
    }
}
