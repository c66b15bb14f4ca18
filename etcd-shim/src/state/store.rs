//! One key space in memory.
//!
//! Apply changes it under the write lock, one command at a time; requests read under the read lock, or take a clone of
//! the tree (O(1)) for what takes longer. Everything in it is durable: an entry is applied after the log has it
//! (safety rule 11).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::etcd::server::etcdserverpb::Member;
use naxos_proto::ids::StoreId;
use parking_lot::RwLock;

use super::key_entry::{KeyEntry, Live, RevisionKey};
use super::rows::{Counters, ROW_OVERHEAD};
use super::tree::Tree;

/// A lease, as the log knows it. When it ends is the keeper's business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Granted time-to-live in seconds.
    pub ttl: i64,
    /// Keys attached.
    pub keys: BTreeSet<Bytes>,
}

/// A row that compaction may drop.
#[derive(Clone, Debug)]
pub(crate) struct Superseded {
    /// Droppable once this revision is compacted.
    pub(crate) from: i64,
    pub(crate) key: Bytes,
    pub(crate) at: RevisionKey,
    pub(crate) deleted: bool,
    /// What dropping it gives back.
    pub(crate) bytes: i64,
}

/// A key began or ceased to exist.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) revision: i64,
    pub(crate) key: Bytes,
    pub(crate) created: bool,
}

/// See the module.
pub(crate) struct Store {
    pub(crate) id: StoreId,
    pub(crate) revision: i64,
    /// -1 until the first compaction.
    pub(crate) compacted: i64,
    pub(crate) keys: Tree<Arc<KeyEntry>>,
    /// In order of `from`.
    pub(crate) superseded: VecDeque<Superseded>,
    /// Since the compacted revision, in order.
    pub(crate) turns: VecDeque<Turn>,
    pub(crate) leases: BTreeMap<i64, Lease>,
    pub(crate) alarms: BTreeSet<(u64, i32)>,
    pub(crate) members: BTreeMap<u64, Member>,
    /// Bytes of all rows, dropped ones excluded: what the quota counts.
    pub(crate) bytes: i64,
    pub(crate) keeper_term: u64,
}

/// A store that apply writes and requests read.
pub struct SharedStore(pub(crate) RwLock<Store>);

impl Store {
    pub(crate) fn new(id: StoreId) -> Self {
        Self {
            id,
            revision: 1,
            compacted: -1,
            keys: Tree::default(),
            superseded: VecDeque::new(),
            turns: VecDeque::new(),
            leases: BTreeMap::new(),
            alarms: BTreeSet::new(),
            members: BTreeMap::new(),
            bytes: 0,
            keeper_term: 0,
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters { revision: self.revision, compacted: self.compacted, keeper_term: self.keeper_term }
    }

    /// The newest value of `key`.
    pub(crate) fn live(&self, key: &[u8]) -> Option<&Live> {
        self.keys.get(key)?.live.as_ref()
    }

    /// Enters a new value into the index.
    pub(crate) fn enter(&mut self, key: &[u8], live: Live) {
        let at = live.at;
        self.bytes += row_bytes(&live.encoded);
        let old = self.keys.get(key).map(|e| (e.key.clone(), e.live.as_ref().map(|l| (l.at, row_bytes(&l.encoded)))));
        let key = match old {
            Some((key, before)) => {
                self.keys.update(&key, |entry| Arc::make_mut(entry).put(live));
                if let Some((old, bytes)) = before {
                    let key = key.clone();
                    self.superseded.push_back(Superseded { from: at.main, key, at: old, deleted: false, bytes });
                    return;
                }
                key
            }
            None => {
                let mut entry = KeyEntry::new(Bytes::copy_from_slice(key));
                let key = entry.key.clone();
                entry.put(live);
                self.keys.insert(Arc::new(entry));
                key
            }
        };
        self.turns.push_back(Turn { revision: at.main, key, created: true });
    }

    /// Enters a deletion of a live key into the index; `encoded` is its row.
    pub(crate) fn enter_deletion(&mut self, key: &[u8], at: RevisionKey, encoded: &Bytes) {
        let bytes = row_bytes(encoded);
        self.bytes += bytes;
        let deleted = self.keys.update(key, |entry| {
            let entry = Arc::make_mut(entry);
            let old = entry.live.as_ref().map(|l| (l.at, row_bytes(&l.encoded)));
            entry.delete(at);
            (entry.key.clone(), old)
        });
        let Some((key, old)) = deleted else { return };
        if let Some((old, bytes)) = old {
            let key = key.clone();
            self.superseded.push_back(Superseded { from: at.main, key, at: old, deleted: false, bytes });
            self.turns.push_back(Turn { revision: at.main, key: key_of(&self.superseded), created: false });
        }
        // The deletion itself is kept while its own revision is readable.
        self.superseded.push_back(Superseded { from: at.main + 1, key, at, deleted: true, bytes });
    }

    /// Keys in the range at `revision`: today's count corrected by what was created and deleted since.
    pub(crate) fn count_at(&self, from: &[u8], below: Option<&[u8]>, revision: i64) -> usize {
        let now = self.keys.weight_of(from, below);
        // Also within a transaction that has written: its own turns are above the store's revision.
        let since = self.turns.partition_point(|t| t.revision <= revision);
        let inside = |key: &[u8]| key >= from && below.is_none_or(|b| key < b);
        let gained: isize =
            self.turns.range(since..).filter(|t| inside(&t.key)).map(|t| if t.created { 1 } else { -1 }).sum();
        now.checked_add_signed(-gained).expect("a count is never negative")
    }
}

fn key_of(superseded: &VecDeque<Superseded>) -> Bytes {
    superseded.back().expect("just pushed").key.clone()
}

/// What a row counts towards the quota.
pub(crate) fn row_bytes(encoded: &Bytes) -> i64 {
    ROW_OVERHEAD + i64::try_from(encoded.len()).expect("a value is far below 8 EiB")
}
