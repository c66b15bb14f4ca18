//! Which branches a transaction takes. All compares see the state before the transaction.
//!
//! The compares of nested transactions are evaluated first, too. So the path through all branches is known before
//! anything is written, and the operations on it are checked before the first of them changes anything.

use std::ops::ControlFlow;

use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::txn_request::TxnRequest;

use crate::state::index::key_entry::Live;
use crate::state::index::key_value::decode;
use crate::state::index::keys::Keys;
use crate::state::index::row_source::RowSource;
use crate::state::store::Store;

/// The branch that a transaction takes, and the branches of its nested transactions in the order of the operations.
pub(crate) struct Path {
    /// Whether all compares hold, so that the operations of `success` are carried out.
    pub(crate) succeeded: bool,
    nested: Vec<Path>,
}

impl Path {
    /// The operations of the branch taken.
    pub(crate) fn branch<'a>(&self, r: &'a TxnRequest) -> &'a [pb::RequestOp] {
        if self.succeeded { &r.success } else { &r.failure }
    }

    /// The paths of the nested transactions on the branch, in order.
    pub(crate) fn nested(&self) -> impl Iterator<Item = &Path> {
        self.nested.iter()
    }

    /// Evaluates the compares, also those of the nested transactions on the path. `None` if `rows` lacks a value that
    /// is needed to decide.
    pub(crate) fn of(store: &Store, r: &TxnRequest, rows: &dyn RowSource) -> Option<Path> {
        let mut succeeded = Some(true);
        for compare in &r.compare {
            match holds(store, compare, rows) {
                Some(true) => {}
                Some(false) => {
                    succeeded = Some(false);
                    break;
                }
                // Go on, so that all missing values are looked up, and then fetched, in one round.
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
    // None of the keys exists. A compare cannot express "no value", so a compare of values does not hold then, as in
    // etcd.
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
