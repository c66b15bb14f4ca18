//! Random transactions: nested, with every compare, and some that no server may accept.

use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::compare::TargetUnion;
use pb::request_op::Request as Op;

use super::dice::Dice;
use super::generate::{Known, delete_range, key, lease_id, put, range, range_end, value};

/// Transactions in transactions in transactions.
const DEPTH_MAX: u32 = 3;
/// One more than etcd accepts.
const TOO_MANY_OPS: usize = 129;

/// A transaction inside `depth` others.
pub fn txn(dice: &mut Dice, known: Known, depth: u32) -> pb::TxnRequest {
    let compares = dice.below(3);
    let mut txn = pb::TxnRequest {
        compare: (0..compares).map(|_| compare(dice, known)).collect(),
        success: branch(dice, known, depth),
        failure: branch(dice, known, depth),
    };
    if dice.chance(1) {
        let op = pb::RequestOp { request: Some(Op::RequestRange(range(dice, known))) };
        let target = if dice.chance(50) { &mut txn.success } else { &mut txn.failure };
        target.resize(TOO_MANY_OPS, op);
    }
    txn
}

fn branch(dice: &mut Dice, known: Known, depth: u32) -> Vec<pb::RequestOp> {
    let ops = dice.below(4);
    (0..ops).map(|_| pb::RequestOp { request: op(dice, known, depth) }).collect()
}

fn op(dice: &mut Dice, known: Known, depth: u32) -> Option<Op> {
    Some(match dice.below(100) {
        0 => return None,
        1..35 => Op::RequestRange(historic_seldom(dice, known)),
        35..70 => Op::RequestPut(put(dice)),
        70..88 => Op::RequestDeleteRange(delete_range(dice)),
        _ if depth < DEPTH_MAX => Op::RequestTxn(txn(dice, known, depth + 1)),
        _ => Op::RequestPut(put(dice)),
    })
}

/// A range that seldom names a revision: a bad one fails the whole transaction.
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
    // Now and then the value is of another target's kind, or missing.
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
