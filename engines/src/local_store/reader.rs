//! Reads of the local store from any thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use naxos_proto::ids::Lsn;

use crate::local_store::delta::Delta;
use crate::local_store::row_key::RowKey;
use crate::local_store::shared::Shared;

/// The first name in the range that a delta changes.
fn first_in(delta: &Delta, from: &RowKey, below: &RowKey) -> Option<RowKey> {
    delta.rows().range(from.clone()..below.clone()).next().map(|(name, _)| name.clone())
}

/// Sees every committed row. Rows that are written once are read consistently whatever is applied meanwhile; for others
/// a reader sees the newest value.
#[derive(Clone)]
pub struct StoreReader {
    shared: Arc<Shared>,
}

impl StoreReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Whether a delta has the row, so that [`Self::get`] reads no disk. It may be frozen and written any time after.
    pub fn has_in_memory(&self, key: &RowKey) -> bool {
        self.shared.open.read().get(key).is_some()
            || self.shared.frozen.read().iter().any(|frozen| frozen.delta.get(key).is_some())
    }

    /// The row's value. Reads redb when no delta has the row: not on a thread that serves requests.
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

    /// At most `limit` rows from `from` on and below `below`, in order. Fewer do not mean the end; none do.
    pub fn scan(&self, from: &RowKey, below: &RowKey, limit: usize) -> Vec<(RowKey, Bytes)> {
        if from >= below {
            return Vec::new();
        }
        // Rows move from the open delta over the frozen ones to the checkpoint: looked at in this order, none is missed.
        let first_open = first_in(&self.shared.open.read(), from, below);
        let frozen: Vec<_> = self.shared.frozen.read().iter().rev().cloned().collect();
        let first_frozen = frozen.iter().filter_map(|d| first_in(&d.delta, from, below)).min();
        let mut bottom = Vec::new();
        let database = Arc::clone(&self.shared.database.read());
        database.scan(from, below, limit, |key, value| bottom.push((key, Bytes::copy_from_slice(value))));
        let first_above = first_open.into_iter().chain(first_frozen).min();
        match (bottom.last(), first_above) {
            (_, None) => bottom,
            // The rule for a reader of history: what it reads has long been written.
            (Some((last, _)), Some(above)) if *last < above => bottom,
            _ => self.merged(from, below, limit),
        }
    }

    /// As [`Self::scan`], over all layers.
    fn merged(&self, from: &RowKey, below: &RowKey, limit: usize) -> Vec<(RowKey, Bytes)> {
        // Newest first, so that the first value found for a name is the one that counts. Each layer gives one row more
        // than the limit for every row that a newer layer deletes from it: so count those.
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
        // A layer that was cut at the limit says nothing about names behind its last one.
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
            // Everything up to the horizon was deleted: go on behind it.
            (true, Some(mut next)) => {
                next.key.push(0);
                self.merged(&next, below, limit)
            }
            _ => rows,
        }
    }

    /// Calls `each` with every row from `from` on and below `below`, in order, in one pass over the checkpoint. Only
    /// before anything is applied: there is nothing else to look at then.
    pub fn stream(&self, from: &RowKey, below: &RowKey, each: impl FnMut(RowKey, &[u8])) {
        let fresh = self.shared.open.read().is_empty();
        assert!(fresh, "rows are streamed before anything is applied");
        let database = Arc::clone(&self.shared.database.read());
        database.scan(from, below, usize::MAX, each);
    }

    /// The next position to apply.
    pub fn applied(&self) -> Lsn {
        self.shared.applied()
    }

    /// The position from which a restart replays.
    pub fn persisted(&self) -> Lsn {
        self.shared.persisted()
    }

    /// Running checksum of everything applied: equal on all replicas at equal positions.
    pub fn checksum(&self) -> u64 {
        self.shared.checksum()
    }

    /// Whether the checkpoint is so far behind that nothing more should be proposed.
    pub fn is_behind(&self) -> bool {
        self.shared.backlog.is_behind()
    }

    /// Says that the log has been replayed: what that has left to the checkpoint keeps nobody from proposing a little.
    pub fn note_replayed(&self) {
        self.shared.note_replayed();
    }

    /// Waits until the checkpoint has moved since the last call. For one waiter.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn checkpoint_moved(&self) {
        self.shared.moved.notified().await;
    }

    /// Bytes of the checkpoint's file.
    pub fn file_bytes(&self) -> u64 {
        self.shared.file_bytes.load(Ordering::Relaxed)
    }

    /// Whether `rows` rows may be purged now. While as many deltas wait as may, only about as fast as entries write rows:
    /// more would make clients wait for the checkpoint, less would let the history of a busy store grow. And not if the
    /// disk has less than twice the room that a checkpoint with them may take, which is then asked for without them.
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

    /// Deletes rows that no reader needs any more, outside any entry: they are no part of what replicas compare. Waits
    /// for the entry being applied, so call it with few rows at a time, and see [`Self::may_purge`]. As an entry does, it
    /// freezes the open delta when that is full.
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
