//! All that memory knows of one key: its newest value, and the revisions at which it had other values.
//!
//! Older values are rows of the local store, found by their revision.

use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::ids::StoreId;

use super::revision_key::RevisionKey;
use super::row_source::RowSource;
use super::tree::Item;

/// How many past events are kept beside the key before they are moved into a shared chunk.
const RECENT_MAX: usize = 32;

/// A past event of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) at: RevisionKey,
    pub(crate) deleted: bool,
}

/// Where the encoded `KeyValue` of an existing key is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// In memory.
    Resident(Bytes),
    /// In the local store only. The number is its length in bytes.
    Row(usize),
}

/// The newest value of a key that exists.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) at: RevisionKey,
    pub(crate) create: i64,
    pub(crate) version: i64,
    pub(crate) lease: i64,
    pub(crate) value: Value,
}

impl Live {
    /// The encoded `KeyValue`, if memory has it.
    pub(crate) fn resident(&self) -> Option<&Bytes> {
        match &self.value {
            Value::Resident(encoded) => Some(encoded),
            Value::Row(_) => None,
        }
    }

    /// The encoded `KeyValue`; read from `rows` if memory does not have it. `None` if `rows` does not have it either.
    pub(crate) fn encoded(&self, store: StoreId, rows: &dyn RowSource) -> Option<Bytes> {
        match &self.value {
            Value::Resident(encoded) => Some(encoded.clone()),
            Value::Row(_) => rows.row(store, self.at),
        }
    }

    /// The length of the encoded `KeyValue` in bytes.
    pub(crate) fn encoded_len(&self) -> usize {
        match &self.value {
            Value::Resident(encoded) => encoded.len(),
            Value::Row(len) => *len,
        }
    }
}

/// Past events, oldest first. Cloning costs at most [`RECENT_MAX`] copies, however long the history is.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    sealed: Option<Arc<Vec<Arc<[Past]>>>>,
    recent: Vec<Past>,
}

impl History {
    fn push(&mut self, past: Past) {
        if self.recent.len() >= RECENT_MAX {
            let chunk: Arc<[Past]> = std::mem::take(&mut self.recent).into();
            Arc::make_mut(self.sealed.get_or_insert_default()).push(chunk);
        }
        self.recent.push(past);
    }

    fn extend(&mut self, past: Option<Past>) {
        past.into_iter().for_each(|past| self.push(past));
    }

    /// The newest event at or before `revision`.
    fn at(&self, revision: i64) -> Option<Past> {
        let newest_in = |events: &[Past]| {
            let after = events.partition_point(|p| p.at.main <= revision);
            after.checked_sub(1).map(|i| events[i])
        };
        newest_in(&self.recent).or_else(|| {
            let chunks = self.sealed.as_ref()?;
            let after = chunks.partition_point(|c| c[0].at.main <= revision);
            newest_in(chunks.get(after.checked_sub(1)?)?)
        })
    }

    /// The events from `revision` on, oldest first.
    fn since(&self, revision: i64) -> impl Iterator<Item = Past> {
        let chunks = self.sealed.as_deref().map_or(&[][..], Vec::as_slice);
        let first = chunks.partition_point(|c| c.last().is_some_and(|p| p.at.main < revision));
        let sealed = chunks[first..].iter().flat_map(|chunk| chunk.iter());
        sealed.chain(&self.recent).copied().skip_while(move |p| p.at.main < revision)
    }

    /// Forgets events before `at`. A sealed chunk is only forgotten as a whole, so some events before `at` may stay.
    fn forget_before(&mut self, at: RevisionKey) {
        if let Some(chunks) = &mut self.sealed {
            let dead = chunks.partition_point(|c| c.last().is_none_or(|p| p.at < at));
            if dead == chunks.len() {
                self.sealed = None;
            } else if dead > 0 {
                Arc::make_mut(chunks).drain(..dead);
            }
        }
        if self.sealed.is_none() {
            let dead = self.recent.partition_point(|p| p.at < at);
            self.recent.drain(..dead);
            if self.recent.is_empty() {
                self.recent = Vec::new();
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.sealed.is_none() && self.recent.is_empty()
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct KeyEntry {
    pub(crate) key: Bytes,
    pub(crate) live: Option<Live>,
    history: History,
}

/// The value of a key at a revision.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// Its newest value.
    Live(&'a Live),
    /// An older value: the row of the store that holds it.
    Row(RevisionKey),
}

impl KeyEntry {
    /// A key that has never existed.
    pub(crate) fn new(key: Bytes) -> Self {
        Self { key, live: None, history: History::default() }
    }

    /// The key's value at `revision`, if it existed.
    pub(crate) fn at(&self, revision: i64) -> Option<Found<'_>> {
        match &self.live {
            Some(live) if live.at.main <= revision => Some(Found::Live(live)),
            _ => self.history.at(revision).filter(|p| !p.deleted).map(|p| Found::Row(p.at)),
        }
    }

    /// The changes from `revision` on that the key's history holds, oldest first. The change that set the newest value
    /// is not among them: it is in `live`.
    pub(crate) fn past_since(&self, revision: i64) -> impl Iterator<Item = Past> {
        self.history.since(revision)
    }

    /// Sets a new value. The previous value becomes history and is returned.
    pub(crate) fn put(&mut self, live: Live) -> Option<Live> {
        let old = self.live.replace(live);
        self.history.extend(old.as_ref().map(|old| Past { at: old.at, deleted: false }));
        old
    }

    /// Deletes the key at `at`. Returns the value that it had.
    pub(crate) fn delete(&mut self, at: RevisionKey) -> Option<Live> {
        let old = self.live.take();
        self.history.extend(old.as_ref().map(|old| Past { at: old.at, deleted: false }));
        self.history.push(Past { at, deleted: true });
        old
    }

    /// Forgets the past events that no revision from `revision` on needs. Returns whether nothing is left of the key.
    ///
    /// If the newest value was set at or before `revision`, no past event is needed. Otherwise the newest event at or
    /// before `revision` stays, unless it is a deletion before `revision`. The events before it are dropped, except for
    /// those in a sealed chunk that also holds later ones.
    pub(crate) fn compact(&mut self, revision: i64) -> bool {
        if let Some(newest) = self.history.at(revision) {
            let live_covers = self.live.as_ref().is_some_and(|l| l.at.main <= revision);
            let dead = live_covers || (newest.deleted && newest.at.main < revision);
            let keep_from = if dead { RevisionKey { main: newest.at.main, sub: newest.at.sub + 1 } } else { newest.at };
            self.history.forget_before(keep_from);
        }
        self.live.is_none() && self.history.is_empty()
    }

    /// Whether HashKV at `revision` counts the row at `at`: it does if the row is newer than the compacted revision, or
    /// is the value that the key has at `revision`.
    pub(crate) fn keeps(&self, at: RevisionKey, compacted: i64, revision: i64) -> bool {
        at.main > compacted
            || match self.at(revision) {
                Some(Found::Live(live)) => live.at == at,
                Some(Found::Row(row)) => row == at,
                None => false,
            }
    }
}

impl Item for Arc<KeyEntry> {
    fn key(&self) -> &Bytes {
        &self.key
    }

    fn weight(&self) -> usize {
        usize::from(self.live.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(main: i64) -> Live {
        Live { at: RevisionKey { main, sub: 0 }, create: main, version: 1, lease: 0, value: Value::Row(0) }
    }

    /// A key that changes at each revision from 1 to 100, and is deleted at every fifth.
    fn changed_a_hundred_times() -> KeyEntry {
        let mut e = KeyEntry::new(Bytes::from_static(b"k"));
        for main in 1..=100 {
            if main % 5 == 0 {
                e.delete(RevisionKey { main, sub: 0 })
            } else {
                e.put(live(main))
            };
        }
        e
    }

    fn row(entry: &KeyEntry, revision: i64) -> Option<i64> {
        entry.at(revision).map(|f| match f {
            Found::Live(l) => l.at.main,
            Found::Row(at) => at.main,
        })
    }

    #[test]
    fn the_past_is_found_by_revision() {
        let mut e = KeyEntry::new(Bytes::from_static(b"k"));
        e.put(live(2));
        e.put(live(5));
        e.delete(RevisionKey { main: 7, sub: 0 });
        e.put(live(9));
        let seen: Vec<_> = (1..=10).map(|r| row(&e, r)).collect();
        let n = None;
        assert_eq!(seen, [n, Some(2), Some(2), Some(2), Some(5), Some(5), n, n, Some(9), Some(9)]);
    }

    #[test]
    fn the_changes_since_a_revision_are_found_in_order() {
        let mut e = changed_a_hundred_times();
        for revision in 0..=102 {
            let found: Vec<(i64, bool)> = e.past_since(revision).map(|p| (p.at.main, p.deleted)).collect();
            let wanted: Vec<(i64, bool)> = (revision.max(1)..=100).map(|main| (main, main % 5 == 0)).collect();
            assert_eq!(found, wanted, "since {revision}");
        }
        e.compact(60);
        assert!(e.past_since(60).map(|p| p.at.main).eq(60..=100), "compaction leaves what is readable");
    }

    #[test]
    fn compaction_keeps_what_is_readable_from_its_revision_on() {
        for revision in 2..=200 {
            let mut e = changed_a_hundred_times();
            let before: Vec<_> = (revision..=200).map(|r| row(&e, r)).collect();
            let gone = e.compact(revision);
            assert_eq!(before, (revision..=200).map(|r| row(&e, r)).collect::<Vec<_>>());
            assert_eq!(gone, revision > 100, "the last event is a deletion at 100, kept while 100 is readable");
        }
    }
}
