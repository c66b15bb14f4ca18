//! What the fields of a `RangeRequest` mean.

use naxos_proto::etcd::server::etcdserverpb::RangeRequest;
use naxos_proto::etcd::server::etcdserverpb::range_request::{SortOrder, SortTarget};

use crate::state::error::EtcdError;

/// The revision that a read sees: `asked`, or `current` if `asked` is not positive. An error if `asked` is above
/// `current` or below `compacted`.
pub(crate) fn revision_to_read(asked: i64, current: i64, compacted: i64) -> Result<i64, EtcdError> {
    if asked <= 0 {
        Ok(current)
    } else if asked > current {
        Err(EtcdError::FutureRevision)
    } else if asked < compacted {
        Err(EtcdError::Compacted)
    } else {
        Ok(asked)
    }
}

/// Whether all pairs of the range have to be looked at, regardless of the limit.
pub(super) fn fetches_all(r: &RangeRequest) -> bool {
    r.sort_order != SortOrder::None as i32
        || r.min_mod_revision != 0
        || r.max_mod_revision != 0
        || r.min_create_revision != 0
        || r.max_create_revision != 0
}

/// Whether the pairs are sorted into an order other than the index's order.
pub(super) fn sorts(r: &RangeRequest) -> bool {
    r.sort_target != SortTarget::Key as i32 || r.sort_order == SortOrder::Descend as i32
}

/// Whether the answer has the pairs that the index gives, in the index's order, because the read has no filter and asks
/// for no order. False also for a read that asks for the index's own order. The values may still be left out.
pub(super) fn is_as_indexed(r: &RangeRequest) -> bool {
    !fetches_all(r) && !sorts(r)
}

/// The most pairs that the answer may hold.
pub(super) fn limit(r: &RangeRequest) -> usize {
    usize::try_from(r.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX)
}

/// How many pairs of a range have to be looked at for the answer.
pub(super) fn wanted(r: &RangeRequest) -> usize {
    if fetches_all(r) {
        return usize::MAX;
    }
    // As in etcd: with a sort target but no sort order, only the pairs up to the limit and one more are sorted.
    limit(r).saturating_add(usize::from(sorts(r)))
}
