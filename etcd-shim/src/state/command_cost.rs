//! How long apply takes for a command.

use naxos_engines::ApplyCost;
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::txn_request::TxnRequest;

use super::command::Command;

/// A transaction with more conditions and operations than this is not cheap.
const SMALL_PARTS_MAX: usize = 8;

impl Command {
    /// How long apply takes for this command. Only commands that look at the newest values of a few keys are cheap.
    pub fn cost(&self) -> ApplyCost {
        match self {
            Command::Put(_) | Command::LeaseGrant(_) => ApplyCost::Small,
            Command::DeleteRange(request) if request.range_end.is_empty() => ApplyCost::Small,
            Command::Txn(request) if is_small(request) => ApplyCost::Small,
            _ => ApplyCost::Unknown,
        }
    }
}

fn is_small(TxnRequest { compare, success, failure, .. }: &TxnRequest) -> bool {
    let is_of_one_key = |request: &Request| match request {
        Request::RequestPut(_) => true,
        // A read of an earlier revision may have to read the disk.
        Request::RequestRange(range) => range.range_end.is_empty() && range.revision == 0,
        Request::RequestDeleteRange(range) => range.range_end.is_empty(),
        _ => false,
    };
    compare.len() + success.len() + failure.len() <= SMALL_PARTS_MAX
        && compare.iter().all(|compare| compare.range_end.is_empty())
        && success.iter().chain(failure).all(|op| op.request.as_ref().is_some_and(is_of_one_key))
}

#[cfg(test)]
mod tests {
    use naxos_proto::etcd::server::etcdserverpb::{self as pb, RequestOp};

    use super::*;

    fn txn(success: Vec<Request>) -> Command {
        let op = |request| RequestOp { request: Some(request) };
        Command::Txn(TxnRequest { success: success.into_iter().map(op).collect(), ..TxnRequest::default() })
    }

    #[test]
    fn only_what_looks_at_a_few_keys_is_cheap() {
        let put = || Request::RequestPut(pb::PutRequest::default());
        let range = |range_end: &'static str| {
            Request::RequestRange(pb::RangeRequest { range_end: range_end.into(), ..Default::default() })
        };
        let delete =
            |range_end: &'static str| pb::DeleteRangeRequest { range_end: range_end.into(), ..Default::default() };
        for small in [
            Command::Put(pb::PutRequest::default()),
            Command::DeleteRange(delete("")),
            txn(vec![put(), range("")]),
            txn(vec![Request::RequestDeleteRange(delete(""))]),
        ] {
            assert_eq!(small.cost(), ApplyCost::Small, "{small:?}");
        }
        for large in [
            Command::DeleteRange(delete("z")),
            txn(vec![put(), range("z")]),
            txn(vec![Request::RequestRange(pb::RangeRequest { revision: 7, ..Default::default() })]),
            txn(vec![Request::RequestDeleteRange(delete("z"))]),
            txn(std::iter::repeat_with(put).take(SMALL_PARTS_MAX + 1).collect()),
            Command::Compact(pb::CompactionRequest::default()),
            Command::Own("a".into()),
        ] {
            assert_eq!(large.cost(), ApplyCost::Unknown, "{large:?}");
        }
    }
}
