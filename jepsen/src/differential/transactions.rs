//! Random transactions: nested, with every kind of compare, and some that no server may accept.

use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::compare::TargetUnion;
use pb::request_op::Request as Op;

use super::dice::Dice;
use super::parts::{Known, delete_range, key, lease_id, put, range, range_end, value};

/// How deep transactions are nested.
const DEPTH_MAX: u32 = 3;
/// One operation more than etcd accepts.
const TOO_MANY_OPS: usize = 129;

/// The kinds of operations that a transaction may have. etcd 3.6.16 panics if a put with `ignore_value` or
/// `ignore_lease` follows a delete of its key in the same transaction. So no transaction has both such puts and
/// deletes.
#[derive(Clone, Copy)]
struct Kinds {
    known: Known,
    deletes: bool,
}

/// Any transaction.
pub(super) fn any(dice: &mut Dice, known: Known) -> pb::TxnRequest {
    let kinds = Kinds { known, deletes: dice.chance(70) };
    txn(dice, kinds, 0)
}

/// A transaction inside `depth` others.
fn txn(dice: &mut Dice, kinds: Kinds, depth: u32) -> pb::TxnRequest {
    let known = kinds.known;
    let compares = dice.below(3);
    let mut txn = pb::TxnRequest {
        compare: (0..compares).map(|_| compare(dice, known)).collect(),
        success: branch(dice, kinds, depth),
        failure: branch(dice, kinds, depth),
    };
    if dice.chance(1) {
        let op = pb::RequestOp { request: Some(Op::RequestRange(range(dice, known))) };
        let target = if dice.chance(50) { &mut txn.success } else { &mut txn.failure };
        target.resize(TOO_MANY_OPS, op);
    }
    txn
}

fn branch(dice: &mut Dice, kinds: Kinds, depth: u32) -> Vec<pb::RequestOp> {
    let ops = dice.below(4);
    (0..ops).map(|_| pb::RequestOp { request: op(dice, kinds, depth) }).collect()
}

fn op(dice: &mut Dice, kinds: Kinds, depth: u32) -> Option<Op> {
    Some(match dice.below(100) {
        0 if dice.chance(30) => return None,
        0..35 => Op::RequestRange(historic_seldom(dice, kinds.known)),
        70..88 if kinds.deletes => Op::RequestDeleteRange(delete_range(dice)),
        88.. if depth < DEPTH_MAX => Op::RequestTxn(txn(dice, kinds, depth + 1)),
        _ => {
            let mut put = put(dice);
            put.ignore_value &= !kinds.deletes;
            put.ignore_lease &= !kinds.deletes;
            Op::RequestPut(put)
        }
    })
}

/// A range that seldom names a revision, because a bad revision makes the whole transaction fail.
fn historic_seldom(dice: &mut Dice, known: Known) -> pb::RangeRequest {
    let mut range = range(dice, known);
    if dice.chance(80) {
        range.revision = 0;
    }
    range
}

fn compare(dice: &mut Dice, known: Known) -> pb::Compare {
    let key = key(dice);
    let near = |dice: &mut Dice| known.revision - dice.below_signed(20);
    let target = dice.below_signed(5) as i32;
    // Now and then the value belongs to another target, or is missing.
    let kind = if dice.chance(95) { u64::from(target.unsigned_abs()) } else { dice.below(6) };
    let target_union = match kind {
        0 => Some(TargetUnion::Version(dice.below_signed(4))),
        1 => Some(TargetUnion::CreateRevision(if dice.chance(50) { 0 } else { near(dice) })),
        2 => Some(TargetUnion::ModRevision(if dice.chance(50) { 0 } else { near(dice) })),
        3 => Some(TargetUnion::Value(value(dice).into())),
        4 => Some(TargetUnion::Lease(if dice.chance(50) { 0 } else { lease_id(dice) })),
        _ => None,
    };
    pb::Compare {
        result: if dice.chance(1) { 9 } else { dice.below_signed(4) as i32 },
        target,
        range_end: if dice.chance(70) { Vec::new().into() } else { range_end(dice, &key).into() },
        key: key.into(),
        target_union,
    }
}
