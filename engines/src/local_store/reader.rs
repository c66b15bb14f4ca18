//! Reads the local store, from any thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use naxos_proto::contracts::ChecksumMark;
use naxos_proto::ids::Lsn;

use crate::local_store::delta::Delta;
use crate::local_store::fixed_rows::FixedRows;
use crate::local_store::open_file::OpenFile;
use crate::local_store::row_key::RowKey;
use crate::local_store::shared::Shared;
use crate::local_store::store_error::StoreError;

/// The name of the first row, from `from` on and below `below`, that the delta changes.
fn first_in(delta: &Delta, from: &RowKey, below: &RowKey) -> Option<RowKey> {
    delta.rows().range(from.clone()..below.clone()).next().map(|(name, _)| name.clone())
}

/// Reads rows without a snapshot. Each read gives the newest value, so two reads of a row that is written again may
/// differ. A row that is written only once has the same value in all reads until it is purged. Reads find every
/// committed row. They also find rows of the entry that is being applied, which may still be rolled back.
#[derive(Clone)]
pub struct StoreReader {
    shared: Arc<Shared>,
}

impl StoreReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Whether a delta changes the row, so that [`Self::get`] need not read from disk. The answer can be out of date at
    /// once, because a checkpoint may write the delta and drop it.
    pub fn has_in_memory(&self, key: &RowKey) -> bool {
        self.shared.open.read().get(key).is_some()
            || self.shared.frozen.read().iter().any(|frozen| frozen.delta.get(key).is_some())
    }

    /// The row's value. Reads redb if no delta changes the row, so do not call it on a thread that serves requests.
    pub fn get(&self, key: &RowKey) -> Option<Bytes> {
        if let Some(found) = self.shared.open.read().get(key) {
            return found;
        }
        for delta in self.shared.frozen.read().iter().rev() {
            if let Some(found) = delta.delta.get(key) {
                return found;
            }
        }
        let database = Arc::clone(&self.shared.database.read());
        database.get(key)
    }

    /// At most `limit` rows from `from` on and below `below`, in order. Fewer than `limit` rows do not mean that there
    /// are no more; an empty list does.
    pub fn scan(&self, from: &RowKey, below: &RowKey, limit: usize) -> Vec<(RowKey, Bytes)> {
        if from >= below {
            return Vec::new();
        }
        // Rows move from the open delta to the frozen deltas and then to the checkpoint. The three are read in the same
        // order, so a row that moves meanwhile is not missed.
        let first_open = first_in(&self.shared.open.read(), from, below);
        let frozen: Vec<_> = self.shared.frozen.read().iter().rev().cloned().collect();
        let first_frozen = frozen.iter().filter_map(|d| first_in(&d.delta, from, below)).min();
        let mut bottom = Vec::new();
        let database = Arc::clone(&self.shared.database.read());
        database.scan(from, below, limit, |key, value| bottom.push((key, Bytes::copy_from_slice(value))));
        let first_above = first_open.into_iter().chain(first_frozen).min();
        match (bottom.last(), first_above) {
            (_, None) => bottom,
            // The usual case for a reader of history: what it reads was written to redb long ago.
            (Some((last, _)), Some(above)) if *last < above => bottom,
            _ => self.merged(from, below, limit),
        }
    }

    /// As [`Self::scan`], but always merges all layers: the open delta, the frozen deltas and the checkpoint.
    fn merged(&self, from: &RowKey, below: &RowKey, limit: usize) -> Vec<(RowKey, Bytes)> {
        // Newest layer first, so that the first value found for a name is the one that counts. A deleted row counts
        // towards the limit of its layer, although the result does not contain it.
        let mut layers: Vec<BTreeMap<RowKey, Option<Bytes>>> = Vec::new();
        let take = |rows: &BTreeMap<RowKey, Option<Bytes>>| -> BTreeMap<RowKey, Option<Bytes>> {
            rows.range(from.clone()..below.clone()).take(limit).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        layers.push(take(self.shared.open.read().rows()));
        let frozen: Vec<_> = self.shared.frozen.read().iter().rev().cloned().collect();
        layers.extend(frozen.iter().map(|d| take(d.delta.rows())));
        let database = Arc::clone(&self.shared.database.read());
        let mut bottom = BTreeMap::new();
        database.scan(from, below, limit, |key, value| {
            bottom.insert(key, Some(Bytes::copy_from_slice(value)));
        });
        layers.push(bottom);
        // If a layer has `limit` rows, it may have more after them that were not taken. So the merged rows are complete
        // only up to the horizon: the lowest of the last names of these layers.
        let horizon = layers.iter().filter(|l| l.len() >= limit).filter_map(|l| l.keys().next_back().cloned()).min();
        let mut merged: BTreeMap<RowKey, Option<Bytes>> = BTreeMap::new();
        for layer in layers {
            for (key, value) in layer {
                if horizon.as_ref().is_none_or(|h| key <= *h) {
                    merged.entry(key).or_insert(value);
                }
            }
        }
        let rows: Vec<_> = merged.into_iter().filter_map(|(k, v)| v.map(|v| (k, v))).take(limit).collect();
        match (rows.is_empty(), horizon) {
            // All rows up to the horizon were deleted, so go on after the horizon.
            (true, Some(last)) => self.merged(&last.after(), below, limit),
            _ => rows,
        }
    }

    /// Calls `each` with every row from `from` on and below `below`, in order, in one pass over the checkpoint. Only
    /// allowed before anything is applied, while there are no deltas.
    pub fn stream(&self, from: &RowKey, below: &RowKey, each: impl FnMut(RowKey, &[u8])) {
        let fresh = self.shared.open.read().is_empty();
        assert!(fresh, "rows can be streamed only before anything is applied");
        let database = Arc::clone(&self.shared.database.read());
        database.scan(from, below, usize::MAX, each);
    }

    /// All rows as they are now, at one position. Reads the disk, so do not call it on a thread that serves requests.
    pub fn fix(&self) -> Result<FixedRows, StoreError> {
        FixedRows::now(&self.shared)
    }

    /// The next position to apply.
    pub fn applied(&self) -> Lsn {
        self.shared.applied()
    }

    /// The position from which a restart would replay.
    pub fn persisted(&self) -> Lsn {
        self.shared.persisted()
    }

    /// The running checksum of everything applied. Equal on all replicas at equal positions.
    pub fn checksum(&self) -> u64 {
        self.shared.checksum()
    }

    /// The running checksum at fixed positions that were passed since the store was opened, in their order. There are at
    /// most [`MARKS_TOLD_MAX`](naxos_proto::contracts::MARKS_TOLD_MAX).
    pub fn marks(&self) -> Vec<ChecksumMark> {
        self.shared.marks.lock().all()
    }

    /// The position at which this store was found to differ from those of the other replicas.
    pub fn differs(&self) -> Option<Lsn> {
        self.shared.differs()
    }

    /// Notes that this store was found to differ from those of the other replicas at position `at`, which is above 0. The
    /// note becomes durable with the next checkpoint, which begins at once. The file and its copies keep the note until
    /// [`Self::clear_differs`]. Another store in the place of this one does not have it.
    pub fn note_differs(&self, at: Lsn) {
        self.shared.note_differs(at);
    }

    /// Forgets that this store differs, durably with the next checkpoint. For a store that becomes the only one there is.
    pub fn clear_differs(&self) {
        self.shared.clear_differs();
    }

    /// Whether the note that this store differs is durable.
    pub fn has_noted_differs(&self) -> bool {
        self.shared.differs_durable.load(Ordering::Acquire)
    }

    /// Whether the checkpoint is so far behind that nothing more should be proposed.
    pub fn is_behind(&self) -> bool {
        self.shared.backlog.is_behind()
    }

    /// Whether the checkpoint is so far behind that nothing more should be applied: the disk hangs or is full, and the
    /// entries of other nodes would fill the memory.
    pub fn is_overfull(&self) -> bool {
        self.shared.backlog.is_overfull()
    }

    /// Notes that the log was replayed. The replay may have filled the deltas, and then [`Self::is_behind`] would be
    /// true until the next checkpoint. After this call it is false until at least 1 MiB more has been applied, so that
    /// a starting node can propose the entries by which it announces itself, even on a full disk.
    pub fn note_replayed(&self) {
        self.shared.note_replayed();
    }

    /// Waits until the checkpoint Worker has written a frozen delta. Returns at once if it has written one since the
    /// last call. Only one caller may wait at a time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn checkpoint_moved(&self) {
        self.shared.moved.notified().await;
    }

    /// The file of the store.
    pub fn file(&self) -> OpenFile {
        OpenFile::new(&self.shared.database.read().held)
    }

    /// Size of the checkpoint's file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.shared.file_bytes.load(Ordering::Relaxed)
    }

    /// Whether `rows` rows may be purged now. They may not be purged if one of these is true:
    ///
    /// 1. [`Self::is_behind`] is true.
    /// 2. No more deltas may be frozen, and the open delta already deletes twice as many rows as it writes. Purging
    ///    faster would make clients wait for the checkpoint. Not purging at all would let the history of a busy store
    ///    grow.
    /// 3. The disk has less than twice the room that a checkpoint may take if it deletes these rows too. Then this call
    ///    also requests a checkpoint of the changes so far, after which there may be room for these rows.
    pub async fn may_purge(&self, rows: usize) -> bool {
        let (needed, takes) = {
            let open = self.shared.open.read();
            (open.checkpoint_bytes(rows, self.file_bytes()).saturating_mul(2), open.takes_deleted())
        };
        let has_room = self.shared.free_bytes().await >= needed;
        if !has_room {
            self.shared.freeze_wanted.notify_one();
        }
        has_room && !self.is_behind() && (takes || !self.shared.backlog.is_full())
    }

    /// Deletes rows that no reader needs any more. The deletion does not belong to an entry, so it does not count in
    /// the checksum that replicas compare. It waits until the current entry is applied, and entries wait for it. So
    /// call it with few rows at a time, and call [`Self::may_purge`] first. Like an entry, it freezes the open delta if
    /// that is full or old.
    pub fn purge(&self, rows: impl IntoIterator<Item = RowKey>) {
        let _boundary = self.shared.boundary.lock();
        let mut open = self.shared.open.write();
        for row in rows {
            open.set(row, None);
        }
        drop(open);
        self.shared.freeze_if_due();
    }
}
