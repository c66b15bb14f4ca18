//! Checks of a request before it is proposed: the rules that do not depend on the state.

use std::collections::BTreeSet;

use naxos_proto::etcd::server::etcdserverpb::range_request::{SortOrder, SortTarget};
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::server::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest, RequestOp};
use naxos_proto::etcd::txn_request::TxnRequest;

use crate::state::error::EtcdError;

/// Checks a Range.
pub(crate) fn range(r: &RangeRequest) -> Result<(), EtcdError> {
    if r.key.is_empty() {
        return Err(EtcdError::EmptyKey);
    }
    if SortOrder::try_from(r.sort_order).is_err() || SortTarget::try_from(r.sort_target).is_err() {
        return Err(EtcdError::InvalidSortOption);
    }
    Ok(())
}

/// Checks a Put.
pub(crate) fn put(r: &PutRequest) -> Result<(), EtcdError> {
    if r.key.is_empty() {
        return Err(EtcdError::EmptyKey);
    }
    if r.ignore_value && !r.value.is_empty() {
        return Err(EtcdError::ValueProvided);
    }
    if r.ignore_lease && r.lease != 0 {
        return Err(EtcdError::LeaseProvided);
    }
    Ok(())
}

/// Checks a DeleteRange.
pub(crate) fn delete_range(r: &DeleteRangeRequest) -> Result<(), EtcdError> {
    if r.key.is_empty() { Err(EtcdError::EmptyKey) } else { Ok(()) }
}

/// Checks a Txn that may have at most `ops_max` operations.
pub(crate) fn txn(r: &TxnRequest, ops_max: usize) -> Result<(), EtcdError> {
    operations(r, ops_max)?;
    // Both branches are checked. Only one of them will be taken, but a client that writes a key twice in either gets
    // the error.
    Writes::of(&r.success)?;
    Writes::of(&r.failure)?;
    Ok(())
}

fn operations(r: &TxnRequest, ops_max: usize) -> Result<(), EtcdError> {
    if r.is_too_deep {
        return Err(EtcdError::TooManyOps);
    }
    let count = r.compare.len().max(r.success.len()).max(r.failure.len());
    let left = ops_max.checked_sub(count).ok_or(EtcdError::TooManyOps)?;
    if r.compare.iter().any(|c| c.key.is_empty()) {
        return Err(EtcdError::EmptyKey);
    }
    for op in r.success.iter().chain(&r.failure) {
        match &op.request {
            Some(Request::RequestRange(r)) => range(r)?,
            Some(Request::RequestPut(r)) => put(r)?,
            Some(Request::RequestDeleteRange(r)) => delete_range(r)?,
            Some(Request::RequestTxn(r)) => operations(r, left)?,
            None => return Err(EtcdError::KeyNotFound),
        }
    }
    Ok(())
}

/// The keys that a branch writes.
#[derive(Default)]
struct Writes<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Writes<'a> {
    fn deletes(&self, key: &[u8]) -> bool {
        // As etcd does it here: an empty end means the key alone, and any other end is compared byte by byte. So the
        // end `\0` does not mean all keys from the key on, as it does when the range is deleted.
        self.deletes.iter().any(|(from, end)| match *end {
            [] => *from == key,
            end => *from <= key && key < end,
        })
    }

    fn put(&mut self, key: &'a [u8], safe: Option<&BTreeSet<&[u8]>>) -> Result<(), EtcdError> {
        let repeated = self.puts.contains(key) && safe.is_none_or(|s| !s.contains(key));
        if repeated || self.deletes(key) {
            return Err(EtcdError::DuplicateKey);
        }
        self.puts.insert(key);
        Ok(())
    }

    /// The keys that the operations `ops` write, or `DuplicateKey`. The order decides which repetitions are found, so
    /// it is etcd's: first the deletes of this level, then nested transactions, then the puts of this level.
    fn of(ops: &'a [RequestOp]) -> Result<Self, EtcdError> {
        let mut writes = Self::default();
        for op in ops {
            if let Some(Request::RequestDeleteRange(d)) = &op.request {
                writes.deletes.push((&d.key, &d.range_end));
            }
        }
        for op in ops {
            if let Some(Request::RequestTxn(t)) = &op.request {
                let then = Self::of(&t.success)?;
                let or_else = Self::of(&t.failure)?;
                for key in &then.puts {
                    writes.put(key, None)?;
                }
                // Only one of the two branches is taken, so both may put the same key.
                for key in &or_else.puts {
                    writes.put(key, Some(&then.puts))?;
                }
                writes.deletes.extend(then.deletes);
                writes.deletes.extend(or_else.deletes);
            }
        }
        for op in ops {
            if let Some(Request::RequestPut(p)) = &op.request {
                writes.put(&p.key, None)?;
            }
        }
        Ok(writes)
    }
}

/// Whether all operations are Ranges. Such a transaction needs no entry in the log. As in etcd, a nested transaction
/// does not count as a read, even if it only reads.
pub(crate) fn reads_only(r: &TxnRequest) -> bool {
    r.success.iter().chain(&r.failure).all(|op| matches!(op.request, Some(Request::RequestRange(_))))
}

/// Whether all reads of the transaction may be stale.
pub(crate) fn is_serializable(r: &TxnRequest) -> bool {
    let serializable = |op: &RequestOp| matches!(&op.request, Some(Request::RequestRange(r)) if r.serializable);
    // etcd makes a transaction without operations a stale read. We do not: its compares should decide on the newest
    // state.
    !(r.success.is_empty() && r.failure.is_empty()) && r.success.iter().chain(&r.failure).all(serializable)
}

/// Whether the transaction may put something. If so, it counts against the quota.
pub(crate) fn puts_something(r: &TxnRequest) -> bool {
    r.success.iter().chain(&r.failure).any(|op| match &op.request {
        Some(Request::RequestPut(_)) => true,
        Some(Request::RequestTxn(t)) => puts_something(t),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn put_op(key: &'static str) -> RequestOp {
        let request = PutRequest { key: Bytes::from_static(key.as_bytes()), ..Default::default() };
        RequestOp { request: Some(Request::RequestPut(request)) }
    }

    fn delete_op(key: &'static str, end: &'static str) -> RequestOp {
        let (key, range_end) = (Bytes::from_static(key.as_bytes()), Bytes::from_static(end.as_bytes()));
        RequestOp { request: Some(Request::RequestDeleteRange(DeleteRangeRequest { key, range_end, prev_kv: false })) }
    }

    fn nested(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> RequestOp {
        RequestOp { request: Some(Request::RequestTxn(TxnRequest { success, failure, ..Default::default() })) }
    }

    fn check(success: Vec<RequestOp>) -> Result<(), EtcdError> {
        txn(&TxnRequest { success, ..Default::default() }, 128)
    }

    #[test]
    fn a_key_is_written_once_in_a_branch() {
        let duplicate = Err(EtcdError::DuplicateKey);
        assert_eq!(check(vec![put_op("a"), put_op("b")]), Ok(()));
        assert_eq!(check(vec![put_op("a"), put_op("a")]), duplicate);
        assert_eq!(check(vec![put_op("b"), delete_op("a", "c")]), duplicate);
        assert_eq!(check(vec![put_op("c"), delete_op("a", "c")]), Ok(()));
        assert_eq!(check(vec![delete_op("a", "c"), delete_op("a", "")]), Ok(()));
        assert_eq!(check(vec![nested(vec![put_op("a")], vec![put_op("a")])]), Ok(()));
        assert_eq!(check(vec![nested(vec![put_op("a")], vec![]), put_op("a")]), duplicate);
        assert_eq!(check(vec![nested(vec![delete_op("a", "")], vec![]), put_op("a")]), duplicate);
    }

    #[test]
    fn operations_are_counted_along_each_path() {
        let many = |n: usize| (0..n).map(|_| delete_op("a", "")).collect::<Vec<_>>();
        assert_eq!(check(many(128)), Ok(()));
        assert_eq!(check(many(129)), Err(EtcdError::TooManyOps));
        assert_eq!(check(vec![nested(many(127), vec![])]), Ok(()));
        assert_eq!(check(vec![nested(many(128), vec![])]), Err(EtcdError::TooManyOps));
        let too_deep = TxnRequest { is_too_deep: true, ..Default::default() };
        assert_eq!(txn(&too_deep, usize::MAX), Err(EtcdError::TooManyOps));
        assert_eq!(check(vec![RequestOp { request: None }]), Err(EtcdError::KeyNotFound));
    }
}
