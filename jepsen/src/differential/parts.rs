//! Random parts of requests. The key space is small, so that requests affect each other.

use naxos_proto::etcd::client::etcdserverpb as pb;

use super::dice::Dice;

/// Keys that are prefixes and neighbours of each other, some of them at the ends of the key space.
pub(super) const KEYS: [&[u8]; 20] = [
    b"\0",
    b"\0\0",
    b"a",
    b"a\0",
    b"aa",
    b"ab",
    b"b",
    b"b\xff",
    b"c",
    b"d",
    b"e",
    b"k/1",
    b"k/2",
    b"k/3",
    b"k/4",
    b"k/5",
    b"k0",
    b"z",
    b"\xff",
    b"\xff\xff",
];
/// Number of leases. Their lifetime is longer than any run.
const LEASE_IDS: i64 = 6;
const LEASE_SECONDS_LEAST: i64 = 3_600;
/// Historic reads and compactions go back fewer than this many revisions.
const REACH_BACK: i64 = 300;
/// What the generator knows about the servers' state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// The newest revision.
    pub revision: i64,
    /// The compacted revision, 0 if there is none.
    pub compacted: i64,
}

/// A key. Now and then the empty one, which is not valid in a request.
pub(super) fn key(dice: &mut Dice) -> Vec<u8> {
    if dice.below(1000) < 5 { Vec::new() } else { dice.pick(&KEYS).to_vec() }
}

/// The end of a range that begins at `key`: none, the end of the key space, the end of the prefix `key`, or one of
/// [`KEYS`], which may be before `key`.
pub(super) fn range_end(dice: &mut Dice, key: &[u8]) -> Vec<u8> {
    match dice.below(10) {
        0..4 => Vec::new(),
        4 | 5 => vec![0],
        6 | 7 => prefix_end(key),
        _ => dice.pick(&KEYS).to_vec(),
    }
}

fn prefix_end(key: &[u8]) -> Vec<u8> {
    let mut end = key.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

/// A revision: mostly the newest, otherwise an old, compacted, future or negative one.
pub(super) fn revision(dice: &mut Dice, known: Known) -> i64 {
    match dice.below(20) {
        0..9 => 0,
        9 => known.revision,
        10..14 => known.revision - dice.below_signed(REACH_BACK.min(known.revision)),
        14 | 15 => known.compacted + dice.below_signed(3) - 1,
        16 => known.revision + 1 + dice.below_signed(3),
        17 => -dice.below_signed(3),
        _ => known.revision - dice.below_signed(10),
    }
}

/// A revision for a hash request: any except the compacted one. For the compacted revision etcd answers, until it is
/// restarted, with the hash that it computed during the compaction. That hash covers rows that the compaction removed.
pub(super) fn revision_to_hash(dice: &mut Dice, known: Known) -> i64 {
    match revision(dice, known) {
        compacted if compacted > 0 && compacted == known.compacted => known.revision,
        other => other,
    }
}

/// A range with any of its fields.
pub(super) fn range(dice: &mut Dice, known: Known) -> pb::RangeRequest {
    let key = key(dice);
    let mut bound = |percent: u64| {
        if dice.chance(percent) { known.revision - dice.below_signed(REACH_BACK) } else { 0 }
    };
    let (min_mod_revision, max_mod_revision) = (bound(8), bound(8));
    let (min_create_revision, max_create_revision) = (bound(8), bound(8));
    // Now and then the order or the target is replaced by 7 below. Neither enum has a value 7.
    let sort_order = if dice.chance(60) { 0 } else { dice.below_signed(3) as i32 };
    let sort_target = if dice.chance(60) { 0 } else { dice.below_signed(5) as i32 };
    pb::RangeRequest {
        range_end: range_end(dice, &key).into(),
        key: key.into(),
        limit: if dice.chance(60) { 0 } else { dice.below_signed(8) - 1 },
        revision: revision(dice, known),
        sort_order: if dice.chance(1) { 7 } else { sort_order },
        sort_target: if dice.chance(1) { 7 } else { sort_target },
        serializable: dice.chance(30),
        keys_only: dice.chance(20),
        count_only: dice.chance(15),
        min_mod_revision,
        max_mod_revision,
        min_create_revision,
        max_create_revision,
    }
}

/// A put with any of its fields.
pub(super) fn put(dice: &mut Dice) -> pb::PutRequest {
    let ignore_value = dice.chance(6);
    let ignore_lease = dice.chance(6);
    let has_value = !ignore_value || dice.chance(10);
    let has_lease = (!ignore_lease && dice.chance(25)) || dice.chance(1);
    pb::PutRequest {
        key: key(dice).into(),
        value: if has_value { value(dice).into() } else { Vec::new().into() },
        lease: if has_lease { lease_id(dice) } else { 0 },
        prev_kv: dice.chance(30),
        ignore_value,
        ignore_lease,
    }
}

/// A short value. There are only a few, so that compares find equal values.
pub(super) fn value(dice: &mut Dice) -> Vec<u8> {
    match dice.below(12) {
        0 => Vec::new(),
        1 => vec![0xff; dice.below(50) as usize],
        number => format!("v{number}").into_bytes(),
    }
}

/// A delete of one key or of a range.
pub(super) fn delete_range(dice: &mut Dice) -> pb::DeleteRangeRequest {
    let key = key(dice);
    // Usually only one key, because otherwise hardly any keys would be left.
    let range_end = if dice.chance(75) { Vec::new() } else { range_end(dice, &key) };
    pb::DeleteRangeRequest { key: key.into(), range_end: range_end.into(), prev_kv: dice.chance(40) }
}

/// The id of a lease that may exist; now and then one that never does.
pub(super) fn lease_id(dice: &mut Dice) -> i64 {
    if dice.chance(5) { 99 } else { 1 + dice.below_signed(LEASE_IDS) }
}

pub(super) fn grant(dice: &mut Dice) -> pb::LeaseGrantRequest {
    let ttl = if dice.chance(4) { 9_000_000_001 } else { LEASE_SECONDS_LEAST + dice.below_signed(1_000) };
    pb::LeaseGrantRequest { ttl, id: 1 + dice.below_signed(LEASE_IDS) }
}

pub(super) fn brief_grant(dice: &mut Dice) -> pb::LeaseGrantRequest {
    pb::LeaseGrantRequest { ttl: dice.below_signed(14) - 4, id: if dice.chance(50) { 0 } else { 500 } }
}

pub(super) fn compaction(dice: &mut Dice, known: Known) -> pb::CompactionRequest {
    let revision = match dice.below(10) {
        0 => known.compacted - dice.below_signed(2),
        1 => known.revision + dice.below_signed(3),
        2 => -dice.below_signed(3),
        _ => known.revision - dice.below_signed(REACH_BACK.min(known.revision)),
    };
    pb::CompactionRequest { revision, physical: dice.chance(50) }
}
