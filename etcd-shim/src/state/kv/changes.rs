//! The changes of a range of keys, found by the index: each key knows the revisions that changed it. For a watcher of
//! few keys, or of keys that seldom change, this is faster than reading all rows, because most rows are about other
//! keys.

use std::ops::ControlFlow;

use bytes::Bytes;
use naxos_engines::StoreReader;

use super::history::{Past, checked, effect};
use crate::state::index::key_entry::KeyEntry;
use crate::state::index::revision_key::RevisionKey;
use crate::state::rows;
use crate::state::store::{SharedStore, Store};

/// How many keys are looked at while the store stays locked. Apply has to wait for that time.
const KEYS_PER_LOCK: usize = 256;

/// The changes to look for.
pub(crate) struct Wanted<'a> {
    /// The first key of the range.
    pub(crate) from_key: &'a [u8],
    /// The first key after the range; `None` if the range has no end.
    pub(crate) below: Option<&'a [u8]>,
    /// The first revision to look at.
    pub(crate) from: i64,
    /// Whether deletions are wanted.
    pub(crate) deletes: bool,
    /// Whether puts are wanted.
    pub(crate) puts: bool,
    /// Whether each change comes with the value before it.
    pub(crate) prev_kv: bool,
}

/// What the index knows of a change.
struct Change {
    at: RevisionKey,
    key: Bytes,
    deleted: bool,
    /// The encoded pair, if memory has it.
    encoded: Option<Bytes>,
}

/// Finds the wanted changes from revision `wanted.from` on: about `changes_max` changes, or all up to the store's
/// revision if there are fewer. It returns either all wanted changes of a revision or none of them. With the changes it
/// returns the number of keys that were looked at; it returns `None` if that number would be more than `keys_max`.
/// Reads the local store, so it must not run on a thread that serves requests.
pub(crate) fn find_changes(
    shared: &SharedStore,
    reader: &StoreReader,
    wanted: &Wanted<'_>,
    changes_max: usize,
    keys_max: usize,
) -> Option<(Past, usize)> {
    let (id, current, compacted) = {
        let store = shared.read();
        (store.id, store.revision, store.compacted)
    };
    if wanted.from < compacted {
        return Some((Past::Compacted(compacted), 0));
    }
    if wanted.from > current {
        return Some((Past::End(wanted.from), 0));
    }
    let mut search = Search { changes: Vec::new(), changes_max, prune_at: 4 * changes_max, last: current, keys: 0 };
    let mut from_key = Some(Bytes::copy_from_slice(wanted.from_key));
    while let Some(key) = from_key {
        from_key = search.step(&shared.read(), &key, wanted);
        if search.keys > keys_max {
            return None;
        }
    }
    search.prune();
    let next = search.last + 1;
    let keys = search.keys;
    let mut effects = Vec::with_capacity(search.changes.len());
    for Change { at, key, deleted, encoded } in search.changes {
        let encoded = match encoded {
            None if !deleted => {
                let row = reader.get(&rows::key_value(id, at, false));
                if row.is_none() {
                    let compacted = shared.read().compacted;
                    assert!(
                        at.main <= compacted,
                        "the row of {at:?} is missing, and the compacted revision is {compacted}"
                    );
                    // A value that was replaced within its own revision is dropped when that revision is compacted.
                    continue;
                }
                row
            }
            encoded => encoded,
        };
        effects.push((at.main, effect(shared, reader, at, key, encoded, wanted.prev_kv)));
    }
    Some((checked(shared, wanted.from, effects, next), keys))
}

/// A search of the index.
struct Search {
    changes: Vec<Change>,
    changes_max: usize,
    /// When there are this many changes, the surplus is dropped.
    prune_at: usize,
    /// Changes after this revision are left to a later search.
    last: i64,
    /// The number of keys looked at so far.
    keys: usize,
}

impl Search {
    /// Looks at some keys from `from_key` on. Returns the key to go on from; `None` at the end of the range.
    fn step(&mut self, store: &Store, from_key: &[u8], wanted: &Wanted<'_>) -> Option<Bytes> {
        let (mut seen, mut go_on) = (0, None);
        store.keys.visit(from_key, wanted.below, |entry| {
            if seen == KEYS_PER_LOCK {
                go_on = Some(entry.key.clone());
                return ControlFlow::Break(());
            }
            seen += 1;
            self.take(entry, wanted);
            ControlFlow::Continue(())
        });
        self.keys += seen;
        go_on
    }

    /// Takes the changes of a key.
    fn take(&mut self, entry: &KeyEntry, wanted: &Wanted<'_>) {
        let is_wanted = |deleted: bool| if deleted { wanted.deletes } else { wanted.puts };
        let past = entry.past_since(wanted.from).filter(|past| is_wanted(past.deleted));
        // One key never needs more changes than the whole search may return: its later changes are left to a later
        // search.
        for past in past.take(self.changes_max + 1) {
            if past.at.main > self.last {
                return;
            }
            self.push(Change { at: past.at, key: entry.key.clone(), deleted: past.deleted, encoded: None });
        }
        let live = entry.live.as_ref().filter(|_| is_wanted(false));
        if let Some(live) = live.filter(|live| (wanted.from..=self.last).contains(&live.at.main)) {
            let encoded = live.resident().cloned();
            self.push(Change { at: live.at, key: entry.key.clone(), deleted: false, encoded });
        }
    }

    fn push(&mut self, change: Change) {
        self.changes.push(change);
        if self.changes.len() >= self.prune_at {
            self.prune();
            self.prune_at = self.prune_at.max(2 * self.changes.len());
        }
    }

    /// Sorts the changes, and leaves the surplus to a later search. The first revision is always kept whole.
    fn prune(&mut self) {
        self.changes.sort_unstable_by_key(|change| change.at);
        let Some(surplus) = self.changes.get(self.changes_max) else { return };
        let first = self.changes[0].at.main;
        self.last = if surplus.at.main > first { surplus.at.main - 1 } else { first };
        self.changes.retain(|change| change.at.main <= self.last);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use naxos_engines::LocalStore;
    use naxos_proto::ids::{Lsn, StoreId};
    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;
    use proptest::prelude::*;

    use super::*;
    use crate::state::index::key_entry::{Live, Value};
    use crate::state::index::key_value::Fields;
    use crate::state::kv::history::read_history;

    /// One change: the number of the key, whether it is put (or deleted), and whether it belongs to the revision of the
    /// change before.
    type Deed = (u8, bool, bool);

    /// A store to which `deeds` were applied. The values of keys with an odd number are in the local store only.
    async fn store_of(deeds: &[Deed]) -> (LocalStore, Arc<SharedStore>) {
        let mut local = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
        let shared = SharedStore::rebuild(StoreId(0), &local.reader(), usize::MAX);
        let mut txn = local.begin();
        let (mut main, mut sub) = (1, 0);
        for (n, put, joins) in deeds {
            (main, sub) = if *joins && main > 1 { (main, sub + 1) } else { (main + 1, 0) };
            let (key, at) = (format!("k{n}"), RevisionKey { main, sub });
            let mut store = shared.write();
            let create = store.live(key.as_bytes()).map_or(main, |live| live.create);
            let fields = Fields { key: key.as_bytes(), create, modified: main, version: 1, value: b"v", lease: 0 };
            if *put {
                let encoded = fields.encode();
                txn.put(rows::key_value(StoreId(0), at, false), encoded.clone());
                let value = if n % 2 == 1 { Value::Row(encoded.len()) } else { Value::Resident(encoded) };
                let live = Live { at, create, version: 1, lease: 0, value };
                store.put(key.as_bytes(), |_| Ok::<_, ()>(live)).expect("nothing is refused");
            } else if store.delete(key.as_bytes(), at, b"").is_some() {
                let row = Fields { key: key.as_bytes(), modified: main, ..Default::default() }.encode();
                txn.put(rows::key_value(StoreId(0), at, true), row);
            }
            store.revision = main;
        }
        txn.commit(Lsn(1));
        (local, shared)
    }

    /// What a watcher sees of the changes: revision, event, and whether it was a deletion.
    fn told(effects: Vec<(i64, crate::state::Effect)>) -> Vec<(i64, Bytes, bool)> {
        effects.into_iter().map(|(main, effect)| (main, effect.event(true).clone(), effect.deleted)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_index_finds_what_reading_all_rows_finds(
            deeds in prop::collection::vec((0u8..9, any::<bool>(), prop::bool::weighted(0.2)), 1..300),
            keys in (0u8..10, 0u8..10), from in 1i64..200, changes_max in 1usize..20, wants in (any::<bool>(), any::<bool>()),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (local, shared) = runtime.block_on(store_of(&deeds));
            let reader = local.reader();
            let (from_key, below) = (format!("k{}", keys.0), format!("k{}", keys.1));
            let is_inside = |key: &[u8]| key >= from_key.as_bytes() && key < below.as_bytes();
            let want = |deleted: bool| if deleted { wants.0 } else { wants.1 };
            let all = read_history(&shared, &reader, from, usize::MAX, |key, deleted| {
                (is_inside(key) && want(deleted)).then_some(true)
            });
            let (mut found, mut next) = (Vec::new(), from);
            let end = loop {
                let (from_key, below) = (from_key.as_bytes(), Some(below.as_bytes()));
                let wanted =
                    Wanted { from_key, below, from: next, deletes: wants.0, puts: wants.1, prev_kv: true };
                let (past, _) = find_changes(&shared, &reader, &wanted, changes_max, 100).expect("few keys");
                match past {
                    Past::Effects(effects, after) => {
                        prop_assert!(after > next, "the next search begins at a later revision");
                        found.extend(told(effects));
                        next = after;
                    }
                    Past::End(end) => break end,
                    Past::Compacted(_) => panic!("nothing was compacted"),
                }
            };
            match all {
                Past::Effects(effects, next) => {
                    prop_assert_eq!(found, told(effects));
                    prop_assert_eq!(end, next);
                }
                Past::End(next) => prop_assert_eq!((found.len(), end), (0, next)),
                Past::Compacted(_) => panic!("nothing was compacted"),
            }
        }
    }

    #[tokio::test]
    async fn a_range_of_too_many_keys_is_left_to_the_reading_of_all_rows() {
        let deeds: Vec<Deed> = (0..200).map(|n| (n, true, false)).collect();
        let (local, shared) = store_of(&deeds).await;
        let wanted = Wanted { from_key: b"k", below: None, from: 2, deletes: true, puts: true, prev_kv: false };
        assert!(find_changes(&shared, &local.reader(), &wanted, 10, 199).is_none());
        assert!(find_changes(&shared, &local.reader(), &wanted, 10, 200).is_some());
    }

    #[tokio::test]
    async fn what_is_compacted_is_told() {
        let (local, shared) = store_of(&[(1, true, false), (1, true, false), (1, true, false)]).await;
        let wanted = Wanted { from_key: b"k", below: None, from: 2, deletes: true, puts: true, prev_kv: false };
        shared.write().compacted = 3;
        let found = find_changes(&shared, &local.reader(), &wanted, 10, 10);
        assert!(matches!(found, Some((Past::Compacted(3), _))));
    }
}
