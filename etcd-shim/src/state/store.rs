//! One key space in memory.
//!
//! Apply changes the key space under the write lock, one command at a time. Requests read it under the read lock; for
//! work that takes longer they take a clone of the tree, which costs O(1). Everything in the key space is durable: an
//! entry is applied only after the log has stored it (docs/design.md, section 7, rule 11).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use naxos_proto::etcd::server::etcdserverpb::{AlarmType, Member};
use naxos_proto::ids::StoreId;
use naxos_proto::release::ClusterVersion;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

use super::index::chunked_queue::ChunkedQueue;
use super::index::key_entry::{KeyEntry, Live};
use super::index::residents::Residents;
use super::index::revision_key::RevisionKey;
use super::index::tree::Tree;
use super::lease::{Keeper, Lease};
use super::rows::{Counters, ROW_OVERHEAD};
use super::seats::Seats;
use super::versions::Versions;

/// Room for the rows that are no keys: one page of the database.
const OWN_ROWS_BYTES: i64 = 4096;

/// A row that compaction may drop.
#[derive(Clone, Debug)]
pub(crate) struct Superseded {
    /// The row may be dropped once the store is compacted at this revision or a later one.
    pub(crate) from: i64,
    pub(crate) key: Bytes,
    pub(crate) at: RevisionKey,
    /// Bytes that the quota gets back when the row is dropped.
    pub(crate) bytes: i64,
}

/// The creation or the deletion of a key.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) revision: i64,
    pub(crate) key: Bytes,
    pub(crate) created: bool,
}

/// What a put changed.
pub(crate) struct Entered {
    /// The index's own copy of the key. A reference to the request's key would keep the request's whole batch in
    /// memory.
    pub(crate) key: Bytes,
    /// The key's value before the put.
    pub(crate) old: Option<Live>,
}

/// See the module.
pub(crate) struct Store {
    pub(crate) id: StoreId,
    pub(crate) revision: i64,
    /// The compacted revision; -1 until the first compaction.
    pub(crate) compacted: i64,
    pub(crate) keys: Tree<Arc<KeyEntry>>,
    /// Values that a later put or delete replaced, in order of `from`.
    pub(crate) superseded: ChunkedQueue<Superseded>,
    /// Deletions, in order of `from`. They have a queue of their own because a deletion stays readable for one revision
    /// longer than the value that it deleted: in one common queue a deletion would hold back the values that were
    /// deleted together with it.
    pub(crate) tombstones: ChunkedQueue<Superseded>,
    /// Keys created and deleted since the compacted revision, in order.
    pub(crate) turns: ChunkedQueue<Turn>,
    pub(crate) leases: BTreeMap<i64, Lease>,
    pub(crate) alarms: BTreeSet<(u64, i32)>,
    pub(crate) members: BTreeMap<u64, Member>,
    /// The ids of members that were removed. They never come back.
    pub(crate) removed: BTreeSet<u64>,
    /// The data directories of members, as far as they have changed since the founding.
    pub(crate) seats: Seats,
    /// The version of the cluster, and what the members have announced.
    pub(crate) versions: Versions,
    /// Bytes that count towards the quota: those of all rows of values and deletions that were not dropped.
    pub(crate) bytes: i64,
    resident: Residents,
    /// The keeper of leases in office.
    pub(crate) keeper: Keeper,
}

/// A store that apply writes to and requests read from.
pub struct SharedStore {
    store: RwLock<Store>,
    /// [`Store::bytes`] after the last entry or compaction step. The check of the quota reads it here, so that it need
    /// not wait for the lock.
    used_bytes: AtomicI64,
    /// Changes with the members and their seats.
    membership: watch::Sender<()>,
    /// The cluster's version as of the last entry that was applied: what is proposed may have the formats of this version.
    version: watch::Sender<ClusterVersion>,
}

impl SharedStore {
    pub(crate) fn new(store: Store) -> Arc<Self> {
        let used_bytes = AtomicI64::new(store.bytes);
        let version = watch::Sender::new(store.versions.cluster());
        Arc::new(Self { store: RwLock::new(store), used_bytes, membership: watch::Sender::new(()), version })
    }

    /// Returns a receiver that is woken after the members or their seats have changed.
    pub(crate) fn membership(&self) -> watch::Receiver<()> {
        self.membership.subscribe()
    }

    /// Wakes the receivers of [`Self::membership`].
    pub(crate) fn note_membership(&self) {
        self.membership.send_replace(());
    }

    /// The cluster's version, as far as this node has applied the log.
    pub(crate) fn version(&self) -> watch::Receiver<ClusterVersion> {
        self.version.subscribe()
    }

    /// As [`Self::version`], without a receiver.
    pub(crate) fn version_now(&self) -> ClusterVersion {
        *self.version.borrow()
    }

    /// Publishes the version after it rose.
    pub(crate) fn note_version(&self, version: ClusterVersion) {
        self.version.send_replace(version);
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read()
    }

    /// Whether a change of a few keys would neither read the disk nor wait for a reader now.
    pub(crate) fn is_free(&self) -> bool {
        self.store.try_write().is_some_and(|store| store.is_all_resident())
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write()
    }

    /// Bytes that count towards the quota.
    pub(crate) fn used_bytes(&self) -> i64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Publishes the used bytes after a change, for [`Self::used_bytes`].
    pub(crate) fn note_used_bytes(&self, store: &Store) {
        self.used_bytes.store(store.bytes, Ordering::Relaxed);
    }
}

impl Store {
    /// Whether the state of some member was found to differ from that of the others.
    pub(crate) fn is_corrupt(&self) -> bool {
        self.alarms.iter().any(|(_, alarm)| *alarm == AlarmType::Corrupt as i32)
    }

    /// An empty store that keeps at most `resident_bytes_max` bytes of values in memory.
    pub(crate) fn new(id: StoreId, resident_bytes_max: usize) -> Self {
        Self {
            id,
            revision: 1,
            compacted: -1,
            keys: Tree::default(),
            superseded: ChunkedQueue::default(),
            tombstones: ChunkedQueue::default(),
            turns: ChunkedQueue::default(),
            leases: BTreeMap::new(),
            alarms: BTreeSet::new(),
            members: BTreeMap::new(),
            removed: BTreeSet::new(),
            seats: Seats::default(),
            versions: Versions::default(),
            bytes: 0,
            resident: Residents::new(resident_bytes_max),
            keeper: Keeper::default(),
        }
    }

    /// Bytes of the database that are in use, as clients and the metrics are told. The store's own rows (members,
    /// counters, the position in the log) always take some room. So this number is above zero for a store without keys
    /// too, as in etcd.
    pub(crate) fn bytes_in_use(&self) -> i64 {
        self.bytes + OWN_ROWS_BYTES
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters { revision: self.revision, compacted: self.compacted, keeper: self.keeper }
    }

    /// The newest value of `key`.
    pub(crate) fn live(&self, key: &[u8]) -> Option<&Live> {
        self.keys.get(key)?.live.as_ref()
    }

    /// Puts a key, with a single search of the index. `make` derives the new value from the old one; if it refuses,
    /// nothing is changed.
    pub(crate) fn put<E>(
        &mut self,
        key: &[u8],
        make: impl FnOnce(Option<&Live>) -> Result<Live, E>,
    ) -> Result<Entered, E> {
        let (key, at, resident, row, old) = self.keys.upsert(key, |known| {
            let new = match make(known.as_ref().and_then(|entry| entry.live.as_ref())) {
                Ok(new) => new,
                Err(refused) => return (Err(refused), None),
            };
            let (at, resident, row) = (new.at, new.resident().map(Bytes::len), row_bytes(new.encoded_len()));
            let (key, old, entry) = match known {
                Some(entry) => {
                    let entry = Arc::make_mut(entry);
                    let old = entry.put(new);
                    (entry.key.clone(), old, None)
                }
                None => {
                    let mut entry = KeyEntry::new(Bytes::copy_from_slice(key));
                    entry.put(new);
                    (entry.key.clone(), None, Some(Arc::new(entry)))
                }
            };
            (Ok((key, at, resident, row, old)), entry)
        })?;
        self.bytes += row;
        self.resident.entered(resident);
        match &old {
            Some(old) => {
                self.resident.left(old);
                self.supersede(at.main, &key, old);
            }
            None => self.turns.push_back(Turn { revision: at.main, key: key.clone(), created: true }),
        }
        Ok(Entered { key, old })
    }

    /// While memory holds too many bytes of values, drops some of them from memory; the local store has them all. Never
    /// call it in the middle of a command, because the command counts on the values that memory held when it began.
    pub(crate) fn keep_within(&mut self) {
        self.resident.keep_within(&mut self.keys);
    }

    /// Whether memory holds the newest value of every key.
    pub(crate) fn is_all_resident(&self) -> bool {
        self.resident.has_all()
    }

    /// Whether memory has room for a value of `len` bytes.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.resident.has_room(len)
    }

    /// Deletes a key if it exists; `row` is the row of the deletion. Returns the index's copy of the key, and the value
    /// that the key had.
    pub(crate) fn delete(&mut self, key: &[u8], at: RevisionKey, row: &[u8]) -> Option<(Bytes, Live)> {
        let (key, old) = self.keys.update(key, |entry| {
            entry.live.as_ref()?;
            let entry = Arc::make_mut(entry);
            Some((entry.key.clone(), entry.delete(at)?))
        })??;
        self.resident.left(&old);
        self.supersede(at.main, &key, &old);
        self.turns.push_back(Turn { revision: at.main, key: key.clone(), created: false });
        self.deletion_row(key.clone(), at, row);
        Some((key, old))
    }

    /// Counts the row of a deletion. The row is kept for as long as its own revision is readable.
    pub(crate) fn deletion_row(&mut self, key: Bytes, at: RevisionKey, row: &[u8]) {
        let bytes = row_bytes(row.len());
        self.bytes += bytes;
        self.tombstones.push_back(Superseded { from: at.main + 1, key, at, bytes });
    }

    /// Takes the row of a deletion whose deleted value a compaction has dropped, while the store is rebuilt. The deletion
    /// is readable as history for as long as its own revision is.
    pub(crate) fn deletion_without_value(&mut self, key: &[u8], at: RevisionKey, row: &[u8]) {
        self.keys.upsert(key, |known| match known {
            Some(entry) => {
                Arc::make_mut(entry).delete(at);
                ((), None)
            }
            None => {
                let mut entry = KeyEntry::new(Bytes::copy_from_slice(key));
                entry.delete(at);
                ((), Some(Arc::new(entry)))
            }
        });
        self.deletion_row(Bytes::copy_from_slice(key), at, row);
    }

    fn supersede(&mut self, from: i64, key: &Bytes, old: &Live) {
        let (key, bytes) = (key.clone(), row_bytes(old.encoded_len()));
        self.superseded.push_back(Superseded { from, key, at: old.at, bytes });
    }

    /// Takes the next row that may be dropped because the store is compacted at `compacted`, and says whether the row
    /// is a deletion. Values come first: if a deletion were dropped before the value that it deleted, the next start
    /// would bring the deleted key back.
    pub(crate) fn pop_dead(&mut self, compacted: i64) -> Option<(Superseded, bool)> {
        let value = self.superseded.pop_front_if(|s| s.from <= compacted).map(|s| (s, false));
        value.or_else(|| self.tombstones.pop_front_if(|s| s.from <= compacted).map(|s| (s, true)))
    }

    /// The number of keys in the range at `revision`: the present count, corrected by the keys created and deleted
    /// since.
    pub(crate) fn count_at(&self, from: &[u8], below: Option<&[u8]>, revision: i64) -> usize {
        let now = self.keys.weight_of(from, below);
        // A transaction may read after it has written. Its own changes have a revision above the store's, so a read at
        // the store's revision or an older one does not count them.
        let since = self.turns.behind(|t| t.revision <= revision);
        let inside = |key: &[u8]| key >= from && below.is_none_or(|b| key < b);
        let gained: isize = since.filter(|t| inside(&t.key)).map(|t| if t.created { 1 } else { -1 }).sum();
        now.checked_add_signed(-gained).expect("a count is never negative")
    }
}

/// The bytes that a row counts towards the quota.
fn row_bytes(encoded_len: usize) -> i64 {
    ROW_OVERHEAD + i64::try_from(encoded_len).expect("a value is far below 8 EiB")
}
