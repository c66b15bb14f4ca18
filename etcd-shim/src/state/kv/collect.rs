//! The first part of a read: walks the index and takes the values that memory holds.
//!
//! A long list is collected in bounded steps ([`Collecting`]), so that neither a thread that serves requests nor apply
//! has to wait for long. The first step is made under the store's lock. If keys are left after it, the other steps walk
//! over a clone of the index, which takes O(1) to make. So the list shows one revision, whatever is written in the
//! meantime.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use naxos_proto::etcd::server::etcdserverpb::RangeRequest;
use naxos_proto::etcd::server::etcdserverpb::range_request::SortTarget;
use naxos_proto::etcd::twins::{kv_len, put_kv};
use naxos_proto::ids::StoreId;

use super::range_request::{is_as_indexed, revision_to_read, wanted};
use crate::state::error::EtcdError;
use crate::state::index::key_entry::{Found, KeyEntry};
use crate::state::index::key_value::Fields;
use crate::state::index::keys::Keys;
use crate::state::index::revision_key::RevisionKey;
use crate::state::index::tree::Tree;
use crate::state::store::Store;

/// How many keys of the index one step looks at.
const STEP_KEYS: usize = 1_024;
/// How many values are fetched into the core's cache together.
const AHEAD: usize = 16;
/// The largest message that etcd sends. A longer answer is refused; its pairs are counted, but not kept.
pub(crate) const ANSWER_BYTES_MAX: usize = i32::MAX as usize;
/// The first pairs are copied, up to this many bytes; the others share the store's buffers. Sharing a buffer writes to
/// its reference count twice: when the pair is taken, and when the answer has been sent. When many clients ask for one
/// list, the cores take the cache lines of these counts from each other. Copying more than this would make apply wait
/// for longer than the sharing costs.
const FRAMED_BYTES_MAX: usize = 256 << 10;

/// What the walk over the index found.
pub(crate) struct Collected {
    pub(super) store: StoreId,
    /// The first pairs, encoded as a part of the answer. It stays empty if the read filters the pairs or wants another
    /// order than the index's. With `keys_only` the pairs in it have no values.
    pub(super) framed: BytesMut,
    /// The encoded pairs after those in `framed`; an element is empty where its row has still to be fetched.
    pub(super) kvs: Vec<Bytes>,
    /// The rows to fetch, each with its index in `kvs`.
    pub(super) rows: Vec<(usize, RevisionKey)>,
    pub(super) count: usize,
    pub(super) revision: i64,
    /// The store's compacted revision at the beginning of the read. While it stays the same, no row of this read is
    /// dropped.
    pub(super) compacted: i64,
    /// Bytes of the pairs in the answer, if the read neither filters nor sorts them. Pairs of old revisions are not
    /// counted: their length is not known yet.
    pub(super) bytes: usize,
    /// Whether the answer is too large. Then no pair is kept.
    pub(super) is_refused: bool,
}

/// A walk over the index.
struct Walk {
    /// The revision that is read.
    at: i64,
    /// Whether the values are left out.
    strip: bool,
    /// Whether the read neither filters nor sorts the pairs. Then they may be encoded into the answer at once, with or
    /// without their values.
    frames: bool,
    /// How many pairs are still wanted.
    left: usize,
}

/// A read whose pairs are collected in steps.
pub(crate) struct Collecting {
    found: Collected,
    walk: Walk,
    rest: Option<Rest>,
}

/// The part of the range that the walk has not reached yet.
struct Rest {
    /// The index as it was when the read began.
    keys: Tree<Arc<KeyEntry>>,
    /// The next key.
    from: Bytes,
    /// The first key after the range; `None` if the range has no end.
    below: Option<Bytes>,
}

impl Collecting {
    /// Takes the first step, with the store locked.
    pub(crate) fn begin(store: &Store, r: &RangeRequest) -> Result<Self, EtcdError> {
        let (mut found, mut walk) = Walk::new(store, r, store.revision)?;
        let from = walk.begin(&mut found, store, r, STEP_KEYS);
        let below = match Keys::new(&r.key, &r.range_end) {
            Keys::Range(_, Some(below)) => Some(Bytes::copy_from_slice(below)),
            _ => None,
        };
        let rest = from.map(|from| Rest { keys: store.keys.clone(), from, below });
        Ok(Self { found, walk, rest })
    }

    /// Whether no step is left.
    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_none()
    }

    /// Takes the next step. The store need not be locked.
    pub(crate) fn step(&mut self) {
        let Some(rest) = &mut self.rest else { return };
        let below = rest.below.as_deref();
        match self.walk.go_on(&mut self.found, &rest.keys, &rest.from, below, STEP_KEYS) {
            Some(from) => rest.from = from,
            None => self.rest = None,
        }
    }

    /// What was collected. Panics if a step is left.
    pub(crate) fn finish(self) -> Collected {
        assert!(self.is_done(), "{} pairs are still to be collected", self.walk.left);
        self.found
    }
}

/// Collects in one step, with the store locked. `current` is the revision that the header of the answer shows. Within a
/// transaction that has written, it is one above the store's revision.
pub(crate) fn collect(store: &Store, r: &RangeRequest, current: i64) -> Result<Collected, EtcdError> {
    let (mut found, mut walk) = Walk::new(store, r, current)?;
    let rest = walk.begin(&mut found, store, r, usize::MAX);
    debug_assert!(rest.is_none());
    Ok(found)
}

impl Walk {
    fn new(store: &Store, r: &RangeRequest, current: i64) -> Result<(Collected, Self), EtcdError> {
        let at = revision_to_read(r.revision, current, store.compacted)?;
        let found = Collected {
            store: store.id,
            framed: BytesMut::new(),
            kvs: Vec::new(),
            rows: Vec::new(),
            count: 0,
            revision: current,
            compacted: store.compacted,
            bytes: 0,
            is_refused: false,
        };
        let strip = r.keys_only && r.sort_target != SortTarget::Value as i32;
        Ok((found, Self { at, strip, frames: is_as_indexed(r), left: 0 }))
    }

    /// Begins the walk: looks at `keys_max` keys at most. Returns the key to go on from, if any is left.
    fn begin(&mut self, found: &mut Collected, store: &Store, r: &RangeRequest, keys_max: usize) -> Option<Bytes> {
        match Keys::new(&r.key, &r.range_end) {
            Keys::One(key) => {
                let entry = store.keys.get(key).filter(|entry| entry.at(self.at).is_some());
                found.count = usize::from(entry.is_some());
                self.left = if r.count_only { 0 } else { found.count };
                found.take_all(entry.as_slice(), self);
                None
            }
            Keys::Range(from, below) => {
                found.count = store.count_at(from, below, self.at);
                self.left = if r.count_only { 0 } else { wanted(r).min(found.count) };
                self.go_on(found, &store.keys, from, below, keys_max)
            }
        }
    }

    /// Looks at `keys_max` more keys at most. Returns the key to go on from, if any is left.
    fn go_on(
        &mut self,
        found: &mut Collected,
        keys: &Tree<Arc<KeyEntry>>,
        from: &[u8],
        below: Option<&[u8]>,
        keys_max: usize,
    ) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        let (mut seen, mut go_on) = (0, None);
        let mut ahead = Vec::with_capacity(AHEAD.min(self.left));
        keys.visit(from, below, |entry| {
            if seen == keys_max {
                go_on = Some(entry.key.clone());
                return ControlFlow::Break(());
            }
            seen += 1;
            ahead.push(entry);
            if ahead.len() >= AHEAD.min(self.left) {
                found.take_ahead(&mut ahead, self);
            }
            if self.left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        found.take_ahead(&mut ahead, self);
        go_on.filter(|_| self.left > 0)
    }
}

/// Reads the beginnings of all the entries' values, so that their cache misses run at the same time. Without this,
/// copying the values one after the other waits for each miss.
fn fetch(entries: &[&Arc<KeyEntry>]) {
    const LINE_BYTES: usize = 64;
    const LINES_MAX: usize = 16;
    let values = entries.iter().filter_map(|entry| entry.live.as_ref()?.resident());
    let seen = values.flat_map(|v| v.iter().step_by(LINE_BYTES).take(LINES_MAX)).fold(0, |seen, byte| seen ^ byte);
    std::hint::black_box(seen);
}

impl Collected {
    /// Takes the pairs of the entries in `ahead`, and empties it. Values that will be copied are first fetched
    /// together.
    fn take_ahead(&mut self, ahead: &mut Vec<&Arc<KeyEntry>>, walk: &mut Walk) {
        if walk.frames && !walk.strip && self.kvs.is_empty() {
            fetch(ahead);
        }
        self.take_all(ahead, walk);
        ahead.clear();
    }

    /// Takes the entries' pairs at the revision that is read, until enough are taken.
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

    /// Takes an entry's pair at the revision that is read. Returns false if the key does not exist at that revision.
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
                None => {
                    self.bytes += kv_len(live.encoded_len());
                    if !self.is_too_large(walk) {
                        self.take_row(live.at);
                    }
                }
            },
            Some(Found::Row(row)) => self.take_row(row),
            None => return false,
        }
        true
    }

    fn take_pair(&mut self, encoded: &Bytes, walk: &Walk) {
        let len = kv_len(encoded.len());
        self.bytes += len;
        if self.is_too_large(walk) {
            return;
        }
        if !walk.frames || !self.kvs.is_empty() || self.framed.len() + len > FRAMED_BYTES_MAX {
            if self.kvs.is_empty() {
                self.kvs.reserve(walk.left);
            }
            self.kvs.push(encoded.clone());
            return;
        }
        if self.framed.capacity() == 0 {
            // Reserves enough for all pairs, as long as none is more than an eighth longer than the first one. At most
            // FRAMED_BYTES_MAX are reserved behind the first pair.
            let more = (walk.left - 1).saturating_mul(len + len / 8).min(FRAMED_BYTES_MAX);
            self.framed.reserve(len + more);
        }
        put_kv(&mut self.framed, encoded);
    }

    /// Whether the answer is too large and has to be refused. In that case all collected pairs are dropped.
    fn is_too_large(&mut self, walk: &Walk) -> bool {
        if walk.frames && self.bytes > ANSWER_BYTES_MAX && !self.is_refused {
            self.is_refused = true;
            (self.framed, self.kvs, self.rows) = (BytesMut::new(), Vec::new(), Vec::new());
        }
        self.is_refused
    }

    fn take_row(&mut self, row: RevisionKey) {
        if self.is_refused {
            return;
        }
        self.rows.push((self.kvs.len(), row));
        self.kvs.push(Bytes::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::index::key_entry::{Live, Value};

    /// A store of `count` keys whose values are `value`.
    fn store_of(count: u32, value: &Bytes) -> Store {
        let mut store = Store::new(StoreId(0), usize::MAX);
        for n in 0..count {
            let at = RevisionKey { main: 2, sub: n };
            let live = Live { at, create: 2, version: 1, lease: 0, value: Value::Resident(value.clone()) };
            store.put(&key(n), |_| Ok::<_, ()>(live)).expect("nothing is refused");
        }
        store.revision = 2;
        store
    }

    fn key(n: u32) -> [u8; 4] {
        n.to_be_bytes()
    }

    fn all() -> RangeRequest {
        RangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..Default::default() }
    }

    #[test]
    fn a_list_that_is_too_large_stays_refused_whatever_comes_after() {
        let mut store = store_of(1, &Bytes::from_static(b"a value in memory"));
        let (mut found, mut walk) = Walk::new(&store, &all(), 2).expect("the revision is there");
        found.bytes = ANSWER_BYTES_MAX;
        walk.left = 2;
        let last = RevisionKey { main: 2, sub: 9 };
        let on_disk = Live { at: last, create: 2, version: 1, lease: 0, value: Value::Row(5) };
        store.put(&key(9), |_| Ok::<_, ()>(on_disk)).expect("nothing is refused");
        walk.go_on(&mut found, &store.keys, &[], None, usize::MAX);
        assert!(found.too_large().is_some());
        assert!(found.kvs.is_empty() && found.rows.is_empty(), "a part of the list must not be the answer");
    }

    #[test]
    fn values_on_disk_are_not_read_for_an_answer_that_is_too_large() {
        let mut store = Store::new(StoreId(0), usize::MAX);
        for n in 0..3 {
            let at = RevisionKey { main: 2, sub: n };
            let live = Live { at, create: 2, version: 1, lease: 0, value: Value::Row(1 << 30) };
            store.put(&key(n), |_| Ok::<_, ()>(live)).expect("nothing is refused");
        }
        store.revision = 2;
        let found = collect(&store, &all(), 2).expect("the revision is there");
        assert!(found.too_large().is_some_and(|(bytes, _)| bytes > 3 << 30));
        assert!(!found.needs_rows(), "rows would be read for nothing");
    }

    #[test]
    fn a_long_list_is_collected_in_bounded_steps_and_shows_one_revision() {
        let keys = 10 * STEP_KEYS as u32;
        let mut store = store_of(keys, &Bytes::from_static(b"old"));
        let mut collecting = Collecting::begin(&store, &all()).expect("the revision is there");
        let mut steps = 1;
        while !collecting.is_done() {
            let taken = collecting.walk.left;
            // Before each step, change one key that the walk has visited and one that it has not.
            for n in [1, keys - 1] {
                let at = RevisionKey { main: 2 + steps, sub: n };
                let value = Value::Resident(Bytes::from_static(b"new"));
                let live = Live { at, create: 2, version: 1, lease: 0, value };
                store.put(&key(n), |_| Ok::<_, ()>(live)).expect("nothing is refused");
            }
            store.delete(&key(keys - 2), RevisionKey { main: 2 + steps, sub: keys }, b"");
            collecting.step();
            assert!(taken - collecting.walk.left <= STEP_KEYS, "a step took too many keys");
            steps += 1;
        }
        assert_eq!(steps, 10);
        let found = collecting.finish();
        let whole = collect(&store_of(keys, &Bytes::from_static(b"old")), &all(), 2).expect("the revision is there");
        assert_eq!((found.framed, found.kvs, found.count), (whole.framed, whole.kvs, keys as usize));
    }

    #[test]
    fn a_short_list_takes_no_clone_of_the_index() {
        let store = store_of(STEP_KEYS as u32, &Bytes::from_static(b"v"));
        assert!(Collecting::begin(&store, &all()).expect("the revision is there").is_done());
        let limited = RangeRequest { limit: 500, ..all() };
        let store = store_of(2 * STEP_KEYS as u32, &Bytes::from_static(b"v"));
        assert!(Collecting::begin(&store, &limited).expect("the revision is there").is_done());
    }

    #[test]
    fn only_the_length_is_kept_of_an_answer_that_is_too_large() {
        const VALUE_BYTES: usize = 1 << 20;
        let store = store_of(3_000, &vec![b'v'; VALUE_BYTES].into());
        let mut collecting = Collecting::begin(&store, &all()).expect("the revision is there");
        while !collecting.is_done() {
            collecting.step();
        }
        let found = collecting.finish();
        assert_eq!(found.bytes, 3_000 * kv_len(VALUE_BYTES));
        assert!(found.bytes > ANSWER_BYTES_MAX);
        assert_eq!((found.framed.len(), found.kvs.len(), found.rows.len()), (0, 0, 0));
        let half = RangeRequest { limit: 1_500, ..all() };
        let found = collect(&store, &half, 2).expect("the revision is there");
        assert_eq!(found.kvs.len(), 1_500);
    }
}
