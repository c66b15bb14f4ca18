//! Reads: what `RangeRequest` asks for, in apply (within a transaction) and beside it.
//!
//! In two steps. [`collect`] walks the index under the store's lock and takes what memory holds; [`Collected::finish`]
//! filters, sorts and cuts, after the rows that only the local store holds have been fetched. Who lets go of the lock in
//! between may find rows compacted away, and collects anew: [`Collected::finish_beside`].

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use naxos_engines::StoreReader;
use naxos_proto::etcd::server::etcdserverpb::range_request::{SortOrder, SortTarget};
use naxos_proto::etcd::server::etcdserverpb::{RangeRequest, ResponseHeader};
use naxos_proto::etcd::server::mvccpb::KeyValue;
use naxos_proto::etcd::twins::{RangeResponse, kv_len, put_kv};
use naxos_proto::ids::StoreId;

use super::error::EtcdError;
use super::key_entry::{Found, KeyEntry, RevisionKey};
use super::key_value::{Fields, decode};
use super::row_source::RowSource;
use super::store::{SharedStore, Store};

/// The keys that a request's `key` and `range_end` mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys<'a> {
    /// One key.
    One(&'a [u8]),
    /// From the first on and below the second; to the end if `None`.
    Range(&'a [u8], Option<&'a [u8]>),
}

impl<'a> Keys<'a> {
    /// As etcd reads them: no end is one key, an end of one zero byte is everything from the key on.
    pub(crate) fn new(key: &'a [u8], range_end: &'a [u8]) -> Self {
        match range_end {
            [] => Keys::One(key),
            [0] => Keys::Range(key, None),
            end => Keys::Range(key, Some(end)),
        }
    }

    /// Whether `key` is meant.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match self {
            Keys::One(one) => *one == key,
            Keys::Range(from, below) => key >= *from && below.is_none_or(|b| key < b),
        }
    }
}

/// Pairs are copied under the store's lock up to this many bytes. Sharing a buffer writes to its count, now and when the
/// answer has gone: in a list that many clients ask for, two cache lines a pair that the cores take from each other.
/// Beyond the bound apply would wait longer than the sharing costs.
const FRAMED_BYTES_MAX: usize = 256 << 10;

/// What the index answered.
pub(crate) struct Collected {
    store: StoreId,
    /// The first pairs, as they go into the answer, if they go there as they are.
    framed: BytesMut,
    /// Encoded pairs behind those; empty where a row has to be fetched.
    kvs: Vec<Bytes>,
    /// Where in `kvs` which row belongs.
    rows: Vec<(usize, RevisionKey)>,
    count: usize,
    revision: i64,
    /// The store's compacted revision: rows are there for as long as it stays.
    compacted: i64,
}

/// Which revision a read sees: `asked`, or the store's when that is not positive.
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

fn fetches_all(r: &RangeRequest) -> bool {
    r.sort_order != SortOrder::None as i32
        || r.min_mod_revision != 0
        || r.max_mod_revision != 0
        || r.min_create_revision != 0
        || r.max_create_revision != 0
}

/// Whether the pairs are put in an order other than the index's.
fn sorts(r: &RangeRequest) -> bool {
    r.sort_target != SortTarget::Key as i32 || r.sort_order == SortOrder::Descend as i32
}

/// Whether pairs go into the answer as the index gives them.
fn is_as_indexed(r: &RangeRequest) -> bool {
    !fetches_all(r) && !sorts(r)
}

/// The most pairs that the answer may hold.
fn limit(r: &RangeRequest) -> usize {
    usize::try_from(r.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX)
}

/// How many pairs of a range are looked at to answer.
fn wanted(r: &RangeRequest) -> usize {
    if fetches_all(r) {
        return usize::MAX;
    }
    // As etcd does: one more than it gives is put in order.
    limit(r).saturating_add(usize::from(sorts(r)))
}

/// Entries that are fetched from memory together.
const AHEAD: usize = 16;

/// A walk over the index.
struct Walk {
    /// The revision that is read.
    at: i64,
    /// Whether pairs leave without their values.
    strip: bool,
    /// Whether pairs may be framed: they go into the answer as they are.
    frames: bool,
    /// How many pairs are still wanted.
    left: usize,
}

/// Walks the index. `current` is the revision that the reader's header shows: within a transaction that has written,
/// one above the store's.
pub(crate) fn collect(store: &Store, r: &RangeRequest, current: i64) -> Result<Collected, EtcdError> {
    let at = revision_to_read(r.revision, current, store.compacted)?;
    let (framed, kvs, rows, compacted) = (BytesMut::new(), Vec::new(), Vec::new(), store.compacted);
    let mut found = Collected { store: store.id, framed, kvs, rows, count: 0, revision: current, compacted };
    let strip = r.keys_only && r.sort_target != SortTarget::Value as i32;
    let mut walk = Walk { at, strip, frames: is_as_indexed(r), left: 0 };
    match Keys::new(&r.key, &r.range_end) {
        Keys::One(key) => {
            let entry = store.keys.get(key).filter(|entry| entry.at(at).is_some());
            found.count = usize::from(entry.is_some());
            walk.left = if r.count_only { 0 } else { found.count };
            found.take_all(entry.as_slice(), &mut walk);
        }
        Keys::Range(from, below) => {
            found.count = store.count_at(from, below, at);
            walk.left = if r.count_only { 0 } else { wanted(r).min(found.count) };
            if walk.left > 0 {
                let mut ahead = Vec::with_capacity(AHEAD.min(walk.left));
                store.keys.visit(from, below, |entry| {
                    ahead.push(entry);
                    if ahead.len() >= AHEAD.min(walk.left) {
                        found.take_ahead(&mut ahead, &mut walk);
                    }
                    if walk.left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                });
                found.take_ahead(&mut ahead, &mut walk);
            }
        }
    }
    Ok(found)
}

/// Looks at the beginnings of the entries' values, so that the cache misses of all of them are under way at once: copying
/// one after the other waits for each.
fn fetch(entries: &[&Arc<KeyEntry>]) {
    const LINE_BYTES: usize = 64;
    const LINES_MAX: usize = 16;
    let values = entries.iter().filter_map(|entry| entry.live.as_ref()?.resident());
    let seen = values.flat_map(|v| v.iter().step_by(LINE_BYTES).take(LINES_MAX)).fold(0, |seen, byte| seen ^ byte);
    std::hint::black_box(seen);
}

impl Collected {
    /// Empties `ahead` as [`Self::take_all`]; values that will be copied are fetched together first.
    fn take_ahead(&mut self, ahead: &mut Vec<&Arc<KeyEntry>>, walk: &mut Walk) {
        if walk.frames && !walk.strip && self.kvs.is_empty() {
            fetch(ahead);
        }
        self.take_all(ahead, walk);
        ahead.clear();
    }

    /// Takes what entries are at a revision, until enough are taken.
    fn take_all(&mut self, entries: &[&Arc<KeyEntry>], walk: &mut Walk) {
        for entry in entries {
            if walk.left == 0 {
                return;
            }
            if self.take(entry, walk) {
                walk.left -= 1;
            }
        }
    }

    /// Takes what `entry` is at a revision; whether it is anything.
    fn take(&mut self, entry: &KeyEntry, walk: &Walk) -> bool {
        match entry.at(walk.at) {
            Some(Found::Live(live)) if walk.strip => {
                let fields = Fields {
                    key: &entry.key,
                    create: live.create,
                    modified: live.at.main,
                    version: live.version,
                    value: b"",
                    lease: live.lease,
                };
                self.take_pair(&fields.encode(), walk);
            }
            Some(Found::Live(live)) => match live.resident() {
                Some(encoded) => self.take_pair(encoded, walk),
                None => self.take_row(live.at),
            },
            Some(Found::Row(row)) => self.take_row(row),
            None => return false,
        }
        true
    }

    fn take_pair(&mut self, encoded: &Bytes, walk: &Walk) {
        let len = kv_len(encoded.len());
        if !walk.frames || !self.kvs.is_empty() || self.framed.len() + len > FRAMED_BYTES_MAX {
            if self.kvs.is_empty() {
                self.kvs.reserve(walk.left);
            }
            self.kvs.push(encoded.clone());
            return;
        }
        if self.framed.capacity() == 0 {
            // Room for all if those that follow are like the first, an eighth longer at most.
            let more = (walk.left - 1).saturating_mul(len + len / 8).min(FRAMED_BYTES_MAX);
            self.framed.reserve(len + more);
        }
        put_kv(&mut self.framed, encoded);
    }

    fn take_row(&mut self, row: RevisionKey) {
        self.rows.push((self.kvs.len(), row));
        self.kvs.push(Bytes::new());
    }

    /// Whether rows have to be fetched: not on a thread that serves requests.
    pub(crate) fn needs_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Asks `source` for each row that [`Self::finish`] will want.
    pub(crate) fn look_at_rows(&self, source: &dyn RowSource) {
        self.rows.iter().for_each(|(_, row)| drop(source.row(self.store, *row)));
    }

    /// As [`Self::finish`], beside apply: the index is walked anew for as long as compactions drop rows in between.
    pub(crate) fn finish_beside(
        mut self,
        shared: &SharedStore,
        r: &RangeRequest,
        reader: &StoreReader,
    ) -> Result<RangeResponse, EtcdError> {
        loop {
            let (compacted, rows) = (self.compacted, self.rows.len());
            if let Some(answer) = self.finish(r, reader) {
                return Ok(answer);
            }
            let store = shared.read();
            assert!(store.compacted > compacted, "one of {rows} rows is missing, and nothing was compacted");
            self = collect(&store, r, store.revision)?;
        }
    }

    /// Fetches rows, then filters, sorts and cuts. `None`: a row is gone; the store was compacted since the index was
    /// walked, so this does not happen to who holds the store all the while.
    pub(crate) fn finish(self, r: &RangeRequest, source: &dyn RowSource) -> Option<RangeResponse> {
        let mut kvs = self.kvs;
        for (at, row) in &self.rows {
            kvs[*at] = source.row(self.store, *row)?;
        }
        let more = if is_as_indexed(r) {
            self.count > limit(r) && !r.count_only
        } else {
            kvs = filter_and_sort(kvs, r);
            let more = kvs.len() > limit(r);
            kvs.truncate(limit(r));
            more
        };
        if r.keys_only && (sorts(r) || !self.rows.is_empty()) {
            kvs = kvs.iter().map(without_value).collect();
        }
        let header = ResponseHeader { revision: self.revision, ..Default::default() };
        let count = i64::try_from(self.count).expect("memory holds fewer keys");
        Some(RangeResponse { header: Some(header), framed: self.framed.freeze(), kvs, more, count })
    }
}

fn without_value(encoded: &Bytes) -> Bytes {
    Fields { value: b"", ..Fields::of(encoded) }.encode()
}

fn filter_and_sort(kvs: Vec<Bytes>, r: &RangeRequest) -> Vec<Bytes> {
    let within = |n: i64, min: i64, max: i64| (max == 0 || n <= max) && (min == 0 || n >= min);
    let mut decoded: Vec<(KeyValue, Bytes)> = kvs.into_iter().map(|e| (decode(&e), e)).collect();
    decoded.retain(|(kv, _)| {
        within(kv.mod_revision, r.min_mod_revision, r.max_mod_revision)
            && within(kv.create_revision, r.min_create_revision, r.max_create_revision)
    });
    if sorts(r) {
        decoded.sort_by(|(a, _), (b, _)| {
            let order = match SortTarget::try_from(r.sort_target).unwrap_or(SortTarget::Key) {
                SortTarget::Key => a.key.cmp(&b.key),
                SortTarget::Version => a.version.cmp(&b.version),
                SortTarget::Create => a.create_revision.cmp(&b.create_revision),
                SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
                SortTarget::Value => a.value.cmp(&b.value),
            };
            if r.sort_order == SortOrder::Descend as i32 { order.reverse() } else { order }
        });
    }
    decoded.into_iter().map(|(_, e)| e).collect()
}

#[cfg(test)]
mod tests {
    use naxos_engines::LocalStore;
    use naxos_proto::ids::Lsn;
    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;

    use super::*;
    use crate::state::key_entry::{Live, Value};
    use crate::state::rows;

    /// Puts the one key at `main`; its value is in the local store alone.
    fn put(local: &mut LocalStore, shared: &SharedStore, main: i64, value: &[u8]) {
        let fields = Fields { key: b"k", create: 2, modified: main, version: main - 1, value, lease: 0 };
        let at = RevisionKey { main, sub: 0 };
        let mut txn = local.begin();
        txn.put(rows::key_value(StoreId(0), at, false), fields.encode());
        txn.commit(Lsn(main.cast_unsigned()));
        let live = Live { at, create: 2, version: main - 1, lease: 0, value: Value::Row(value.len()) };
        let mut store = shared.write();
        store.put(b"k", |_| Ok::<_, ()>(live)).expect("nothing is refused");
        store.revision = main;
    }

    #[tokio::test]
    async fn a_read_of_the_present_whose_row_is_compacted_away_meanwhile_reads_anew() {
        let mut local = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
        let reader = local.reader();
        let shared = SharedStore::rebuild(StoreId(0), &reader, 0);
        put(&mut local, &shared, 2, b"old");
        let walk = |r: &RangeRequest| {
            let store = shared.read();
            collect(&store, r, store.revision).expect("the revision is there")
        };
        let present = RangeRequest { key: "k".into(), ..Default::default() };
        let past = RangeRequest { revision: 2, ..present.clone() };
        let (found, found_past) = (walk(&present), walk(&past));

        put(&mut local, &shared, 3, b"new");
        shared.write().compacted = 3;
        reader.purge([rows::key_value(StoreId(0), RevisionKey { main: 2, sub: 0 }, false)]);

        let answer = found.finish_beside(&shared, &present, &reader).expect("the present is never compacted");
        assert_eq!(decode(&answer.kvs[0]).value, &b"new"[..]);
        assert_eq!(answer.header.expect("every answer has a header").revision, 3);
        assert_eq!(found_past.finish_beside(&shared, &past, &reader).map(|_| ()), Err(EtcdError::Compacted));
    }
}
