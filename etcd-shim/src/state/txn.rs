//! Transactions: their compares see the state before the transaction; their operations run in order, all at one
//! revision.
//!
//! The compares of nested transactions are evaluated first, too. So the path through all branches is known before
//! anything is written, and the operations on it are checked before the first of them changes anything.

use std::ops::ControlFlow;

use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::server::etcdserverpb::response_op::Response;
use naxos_proto::etcd::txn_request::TxnRequest;

use super::collect::collect;
use super::error::EtcdError;
use super::fetched_rows::Fetched;
use super::key_entry::Live;
use super::key_value::decode;
use super::keys::Keys;
use super::row_source::RowSource;
use super::store::Store;
use super::writer::Writer;

/// Why no row can be missing: apply has fetched them, and rows are dropped only after a compaction, which is another
/// command.
const HELD: &str = "the rows of a command were fetched before it";

/// The branch that a transaction takes, and the branches of its nested transactions in the order of the operations.
pub(crate) struct Path {
    succeeded: bool,
    nested: Vec<Path>,
}

impl Path {
    /// The operations of the branch taken.
    pub(super) fn branch<'a>(&self, r: &'a TxnRequest) -> &'a [pb::RequestOp] {
        if self.succeeded { &r.success } else { &r.failure }
    }

    /// The paths of the nested transactions on the branch, in order.
    pub(super) fn nested(&self) -> impl Iterator<Item = &Path> {
        self.nested.iter()
    }

    /// Evaluates all compares. `None` if `rows` lacks a value that is needed to decide.
    pub(crate) fn of(store: &Store, r: &TxnRequest, rows: &dyn RowSource) -> Option<Path> {
        let mut succeeded = Some(true);
        for compare in &r.compare {
            match holds(store, compare, rows) {
                Some(true) => {}
                Some(false) => {
                    succeeded = Some(false);
                    break;
                }
                // Go on, so that all missing values are asked for in one round.
                None => succeeded = None,
            }
        }
        let succeeded = succeeded?;
        let mut path = Path { succeeded, nested: Vec::new() };
        for op in path.branch(r) {
            if let Some(Request::RequestTxn(t)) = &op.request {
                let nested = Path::of(store, t, rows)?;
                path.nested.push(nested);
            }
        }
        Some(path)
    }
}

/// Whether a compare holds for all keys that it names. `None` if `rows` lacks a value that is needed to decide.
fn holds(store: &Store, c: &pb::Compare, rows: &dyn RowSource) -> Option<bool> {
    let keys = Keys::new(&c.key, &c.range_end);
    let mut any = false;
    let mut all = Some(true);
    // Compares one key. Returns whether to go on.
    let mut each = |live: &Live| {
        any = true;
        match compare_live(store, c, live, rows) {
            Some(true) => {}
            Some(false) => all = Some(false),
            None => all = None,
        }
        all != Some(false)
    };
    match keys {
        Keys::One(key) => {
            if let Some(live) = store.live(key) {
                each(live);
            }
        }
        Keys::Range(from, below) => store.keys.visit(from, below, |entry| match &entry.live {
            Some(live) if !each(live) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }),
    }
    if any {
        return all;
    }
    // A compare cannot ask for "no value": a compare of values with no key never holds.
    Some(c.target != CompareTarget::Value as i32 && compare(c, None, b""))
}

fn compare_live(store: &Store, c: &pb::Compare, live: &Live, rows: &dyn RowSource) -> Option<bool> {
    if c.target != CompareTarget::Value as i32 {
        return Some(compare(c, Some(live), b""));
    }
    let encoded = live.encoded(store.id, rows)?;
    Some(compare(c, Some(live), &decode(&encoded).value))
}

/// `value` is the key's value if the compare is about values; otherwise it is not used.
fn compare(c: &pb::Compare, live: Option<&Live>, value: &[u8]) -> bool {
    let of = |number: fn(&Live) -> i64| live.map_or(0, number);
    let order = match (CompareTarget::try_from(c.target), &c.target_union) {
        (Ok(CompareTarget::Value), union) => {
            let wanted: &[u8] = if let Some(TargetUnion::Value(v)) = union { v } else { b"" };
            value.cmp(wanted)
        }
        (Ok(CompareTarget::Create), union) => {
            of(|l| l.create).cmp(&if let Some(TargetUnion::CreateRevision(n)) = union { *n } else { 0 })
        }
        (Ok(CompareTarget::Mod), union) => {
            of(|l| l.at.main).cmp(&if let Some(TargetUnion::ModRevision(n)) = union { *n } else { 0 })
        }
        (Ok(CompareTarget::Version), union) => {
            of(|l| l.version).cmp(&if let Some(TargetUnion::Version(n)) = union { *n } else { 0 })
        }
        (Ok(CompareTarget::Lease), union) => {
            of(|l| l.lease).cmp(&if let Some(TargetUnion::Lease(n)) = union { *n } else { 0 })
        }
        (Err(_), _) => std::cmp::Ordering::Equal,
    };
    match CompareResult::try_from(c.result) {
        Ok(CompareResult::Equal) => order.is_eq(),
        Ok(CompareResult::NotEqual) => order.is_ne(),
        Ok(CompareResult::Greater) => order.is_gt(),
        Ok(CompareResult::Less) => order.is_lt(),
        Err(_) => true,
    }
}

/// Checks the operations on the path, so that none of them has to be refused after the first has changed something.
pub(crate) fn check(store: &Store, r: &TxnRequest, path: &Path) -> Result<(), EtcdError> {
    check_after(store, r, path, &mut Vec::new())
}

/// `deleted` has the ranges that earlier operations delete. A delete up to the end of the key space is not caught by
/// the rule against writing a key twice, so a later put may find that its key is gone (etcd 3.6.16 panics then).
fn check_after<'a>(
    store: &Store,
    r: &'a TxnRequest,
    path: &Path,
    deleted: &mut Vec<Keys<'a>>,
) -> Result<(), EtcdError> {
    let mut nested = path.nested.iter();
    for op in path.branch(r) {
        match &op.request {
            Some(Request::RequestRange(r)) if r.revision > store.revision => return Err(EtcdError::FutureRevision),
            Some(Request::RequestRange(r)) if r.revision != 0 && r.revision < store.compacted => {
                return Err(EtcdError::Compacted);
            }
            Some(Request::RequestPut(r)) => check_put(store, r, deleted)?,
            Some(Request::RequestDeleteRange(r)) => deleted.push(Keys::new(&r.key, &r.range_end)),
            Some(Request::RequestTxn(t)) => {
                check_after(store, t, nested.next().expect("made with the path"), deleted)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_put(store: &Store, r: &pb::PutRequest, deleted: &[Keys<'_>]) -> Result<(), EtcdError> {
    let gone = || store.live(&r.key).is_none() || deleted.iter().any(|d| d.contains(&r.key));
    if (r.ignore_value || r.ignore_lease) && gone() {
        return Err(EtcdError::KeyNotFound);
    }
    if r.lease != 0 && !store.leases.contains_key(&r.lease) {
        return Err(EtcdError::LeaseNotFound);
    }
    Ok(())
}

/// Carries out the operations on the path. They must have been checked.
pub(crate) fn execute(writer: &mut Writer<'_, '_>, r: &TxnRequest, path: &Path) -> Result<pb::TxnResponse, EtcdError> {
    let mut nested = path.nested.iter();
    let mut responses = Vec::with_capacity(path.branch(r).len());
    for op in path.branch(r) {
        let response = match &op.request {
            Some(Request::RequestRange(r)) => {
                let found = collect(writer.store, r, writer.revision())?;
                Some(Response::ResponseRange(found.finish(r, &writer.fetched).expect(HELD)))
            }
            Some(Request::RequestPut(r)) => Some(Response::ResponsePut(writer.put(r)?)),
            Some(Request::RequestDeleteRange(r)) => Some(Response::ResponseDeleteRange(writer.delete_range(r))),
            Some(Request::RequestTxn(t)) => {
                let path = nested.next().expect("made with the path");
                let mut response = execute(writer, t, path)?;
                // The answer of a nested transaction has an empty header.
                response.header = Some(pb::ResponseHeader::default());
                Some(Response::ResponseTxn(response))
            }
            None => None,
        };
        responses.push(pb::ResponseOp { response });
    }
    let header = pb::ResponseHeader { revision: writer.revision(), ..Default::default() };
    Ok(pb::TxnResponse { header: Some(header), succeeded: path.succeeded, responses })
}

/// Carries out a transaction that only reads, beside apply. `Err(None)` if `rows` lacks a value.
pub(crate) fn execute_reads(
    store: &Store,
    r: &TxnRequest,
    rows: &Fetched,
) -> Result<pb::TxnResponse, Option<EtcdError>> {
    let path = Path::of(store, r, rows).ok_or(None)?;
    check(store, r, &path)?;
    let mut responses = Vec::new();
    for op in path.branch(r) {
        let Some(Request::RequestRange(range)) = &op.request else { continue };
        let found = collect(store, range, store.revision)?;
        let response = Some(Response::ResponseRange(found.finish(range, rows).ok_or(None)?));
        responses.push(pb::ResponseOp { response });
    }
    let header = pb::ResponseHeader { revision: store.revision, ..Default::default() };
    Ok(pb::TxnResponse { header: Some(header), succeeded: path.succeeded, responses })
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::StoreId;

    use super::*;
    use crate::state::key_entry::Value;
    use crate::state::revision_key::RevisionKey;

    #[test]
    fn a_put_that_keeps_a_value_deleted_before_it_is_refused_before_anything_acts() {
        let mut store = Store::new(StoreId(0), usize::MAX);
        let at = RevisionKey { main: 2, sub: 0 };
        let live = Live { at, create: 2, version: 1, lease: 0, value: Value::Resident(bytes::Bytes::new()) };
        assert!(store.put(b"k", |_| Ok::<_, ()>(live)).is_ok());
        let op = |request| pb::RequestOp { request: Some(request) };
        let delete = pb::DeleteRangeRequest { key: "a".into(), range_end: "\0".into(), prev_kv: false };
        let put = pb::PutRequest { key: "k".into(), ignore_value: true, ..Default::default() };
        let delete = op(Request::RequestDeleteRange(delete));
        let put = op(Request::RequestPut(put));
        let checked = |success: Vec<pb::RequestOp>| {
            let r = TxnRequest { success, ..Default::default() };
            check(&store, &r, &Path::of(&store, &r, &Fetched::default()).expect("nothing is compared"))
        };
        assert_eq!(checked(vec![put.clone(), delete.clone()]), Ok(()));
        assert_eq!(checked(vec![delete, put]), Err(EtcdError::KeyNotFound));
    }
}
