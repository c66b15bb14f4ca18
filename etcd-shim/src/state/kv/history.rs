//! The store's history as events, for watchers that are behind. There are two ways to read it:
//!
//! - [`read_history`] reads all rows from a revision on, in the order of their revisions.
//! - [`super::changes::find_changes`] asks the index which revisions changed the keys of a range, and reads those rows
//!   alone.

use bytes::Bytes;
use naxos_engines::{RowKey, StoreReader};

use crate::state::effects::Effect;
use crate::state::index::key_entry::{Found, Live, Value};
use crate::state::index::key_value::Fields;
use crate::state::index::revision_key::RevisionKey;
use crate::state::rows;
use crate::state::store::SharedStore;

/// How many rows one scan asks the local store for.
const SCAN_ROWS: usize = 1_024;

/// The result of a look into history.
pub(crate) enum Past {
    /// The wanted changes with their revisions, in order, and the revision from which to go on.
    Effects(Vec<(i64, Effect)>, i64),
    /// The store has not reached the revision asked for. The value is the revision to wait for.
    End(i64),
    /// The revision asked for is compacted. The value is the compacted revision.
    Compacted(i64),
}

/// Reads whole revisions from `from` on, about `rows_max` rows. `wants` is asked about each change, with its key and
/// whether it is a deletion. It returns `None` if the change is not wanted, else whether the value before the change is
/// wanted with it. Reads the local store, so it must not run on a thread that serves requests.
pub(crate) fn read_history(
    shared: &SharedStore,
    reader: &StoreReader,
    from: i64,
    rows_max: usize,
    mut wants: impl FnMut(&[u8], bool) -> Option<bool>,
) -> Past {
    let (id, current, compacted) = {
        let store = shared.read();
        (store.id, store.revision, store.compacted)
    };
    if from < compacted {
        return Past::Compacted(compacted);
    }
    if from > current {
        return Past::End(from);
    }
    let row = |main: i64| rows::key_value(id, RevisionKey { main, sub: 0 }, false);
    let mut found = Vec::new();
    let is_all = read_on(reader, &mut found, row(from), &row(current + 1), rows_max);
    let revision = |(name, _): &(RowKey, Bytes)| rows::revision_of(name).0.main;
    let next = match (found.first().map(revision), found.last().map(revision)) {
        (Some(first), Some(last)) if !is_all => {
            // The rows may end in the middle of a revision. Leave that revision to the next call. If it is the only
            // one, read its other rows.
            if first < last {
                found.retain(|row| revision(row) < last);
                last
            } else {
                let at = found.last().expect("there is one").0.clone();
                read_on(reader, &mut found, at.after(), &row(last + 1), usize::MAX);
                last + 1
            }
        }
        _ => current + 1,
    };
    let mut effects = Vec::new();
    for (name, encoded) in found {
        let (at, deleted) = rows::revision_of(&name);
        // An effect is made only if a watcher wants the change, because most rows are outside of all ranges.
        let key = Fields::of(&encoded).key;
        if let Some(prev_kv) = wants(key, deleted) {
            let key = encoded.slice_ref(key);
            let encoded = Some(encoded).filter(|_| !deleted);
            effects.push((at.main, effect(shared, reader, at, key, encoded, prev_kv)));
        }
    }
    checked(shared, from, effects, next)
}

/// One change of a key: a put of the encoded pair, or a deletion if `encoded` is `None`. `prev_kv` tells whether to add
/// the value before the change.
pub(super) fn effect(
    shared: &SharedStore,
    reader: &StoreReader,
    at: RevisionKey,
    key: Bytes,
    encoded: Option<Bytes>,
    prev_kv: bool,
) -> Effect {
    let created = encoded.as_ref().is_some_and(|pair| {
        let fields = Fields::of(pair);
        fields.create == fields.modified
    });
    let prev = if prev_kv && !created { value_before(shared, reader, &key, at.main) } else { None };
    let deleted = encoded.is_none();
    let kv = encoded.unwrap_or_else(|| Fields { key: &key, modified: at.main, ..Default::default() }.encode());
    Effect::new(key, deleted, kv, prev)
}

/// Adds rows from `at` on and below `below` to `found`, until `found` has `max` rows. Returns `true` if no row below
/// `below` is left, and `false` if `found` was full first.
fn read_on(reader: &StoreReader, found: &mut Vec<(RowKey, Bytes)>, mut at: RowKey, below: &RowKey, max: usize) -> bool {
    // A scan that returns fewer rows than asked for need not be at the end: it may have returned the rows of the
    // checkpoint only, although newer rows come after them.
    while found.len() < max {
        let more = reader.scan(&at, below, (max - found.len()).min(SCAN_ROWS));
        let Some((last, _)) = more.last() else { return true };
        at = last.clone().after();
        found.extend(more);
    }
    false
}

/// Returns the effects, unless a compaction in the meantime may have dropped rows from which more effects should have
/// been made.
pub(super) fn checked(shared: &SharedStore, from: i64, effects: Vec<(i64, Effect)>, next: i64) -> Past {
    let compacted = shared.read().compacted;
    if from < compacted { Past::Compacted(compacted) } else { Past::Effects(effects, next) }
}

/// The key's value just before `revision`, unless it is compacted away.
fn value_before(shared: &SharedStore, reader: &StoreReader, key: &[u8], revision: i64) -> Option<Bytes> {
    let row = {
        let store = shared.read();
        if revision - 1 < store.compacted {
            return None;
        }
        match store.keys.get(key)?.at(revision - 1)? {
            Found::Live(Live { value: Value::Resident(encoded), .. }) => return Some(encoded.clone()),
            Found::Live(live) => rows::key_value(store.id, live.at, false),
            Found::Row(at) => rows::key_value(store.id, at, false),
        }
    };
    reader.get(&row)
}
