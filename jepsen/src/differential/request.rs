//! [`Request`]: a request that is sent to both servers. Watches are not among these requests: see [`super::watches`].

use naxos_proto::etcd::client::etcdserverpb as pb;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Range(pb::RangeRequest),
    Put(pb::PutRequest),
    DeleteRange(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Compact(pb::CompactionRequest),
    LeaseGrant(pb::LeaseGrantRequest),
    /// Grants a lease and revokes it at once. The time-to-live may be a few seconds or invalid, and the server may have
    /// to choose the id.
    LeaseGrantBriefly(pb::LeaseGrantRequest),
    LeaseRevoke(pb::LeaseRevokeRequest),
    LeaseTimeToLive(pb::LeaseTimeToLiveRequest),
    LeaseLeases,
    LeaseKeepAlive(pb::LeaseKeepAliveRequest),
    HashKv(pb::HashKvRequest),
    Status,
    MemberList,
    /// An alarm request that names the server to which it is sent.
    Alarm(pb::alarm_request::AlarmAction, pb::AlarmType),
}
