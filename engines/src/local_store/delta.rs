//! A delta: the rows that apply and purges have changed since the last freeze, with their new values; `None` for
//! deleted rows.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use naxos_proto::ids::Lsn;

use crate::local_store::row_key::RowKey;

/// At most this many frozen deltas may wait for the checkpoint. When the open delta is full as well, proposals wait.
pub const FROZEN_MAX: usize = 2;
/// An open delta of this many bytes is frozen at the end of the current entry or purge.
pub const DELTA_BYTES_MAX: usize = 8 << 20;
/// An open delta that is older than this is frozen.
pub const DELTA_AGE_MAX: Duration = Duration::from_secs(1);

/// What a row takes in memory besides its key and value: the map's node and the lengths.
const ROW_OVERHEAD: usize = 64;

/// What a checkpoint takes on disk besides its rows: the pages of the tree above them.
const CHECKPOINT_BYTES_MIN: u64 = 256 << 10;
/// What a checkpoint may take on disk for a deleted row: redb writes the row's page again, and perhaps those above it.
const DELETED_BYTES: u64 = 8 << 10;
/// While no more deltas may be frozen, purges stop at this many deleted rows for each row that the open delta writes. A
/// written row makes about one older row obsolete. A limit of 1 would let purges keep up; a limit of 2 also lets them
/// catch up.
const DELETED_PER_WRITTEN: usize = 2;

/// An ordered set of changes.
#[derive(Default)]
pub(crate) struct Delta {
    rows: BTreeMap<RowKey, Option<Bytes>>,
    bytes: usize,
    /// Number of rows that the delta deletes.
    deleted: usize,
}

impl Delta {
    /// The change to a row. `None` if the delta does not change it; `Some(None)` if the delta deletes it.
    pub(crate) fn get(&self, key: &RowKey) -> Option<Option<Bytes>> {
        self.rows.get(key).cloned()
    }

    /// Changes a row. Returns the earlier change that this one replaces.
    pub(crate) fn set(&mut self, key: RowKey, value: Option<Bytes>) -> Option<Option<Bytes>> {
        let key_len = key.key.len();
        let cost = |v: &Option<Bytes>| ROW_OVERHEAD + key_len + v.as_ref().map_or(0, Bytes::len);
        self.bytes += cost(&value);
        self.deleted += usize::from(value.is_none());
        let old = self.rows.insert(key, value);
        self.bytes -= old.as_ref().map_or(0, cost);
        self.deleted -= usize::from(old == Some(None));
        old
    }

    /// Puts back what [`Self::set`] replaced.
    pub(crate) fn unset(&mut self, key: RowKey, old: Option<Option<Bytes>>) {
        match old {
            Some(value) => {
                self.set(key, value);
            }
            None => {
                if let Some(value) = self.rows.remove(&key) {
                    self.bytes -= ROW_OVERHEAD + key.key.len() + value.as_ref().map_or(0, Bytes::len);
                    self.deleted -= usize::from(value.is_none());
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// An upper bound of the disk space in bytes that writing this delta takes in a file of `file_bytes` bytes, after
    /// `more` further rows were deleted. Written rows usually lie next to each other and share pages. Deleted rows may
    /// lie anywhere.
    pub(crate) fn checkpoint_bytes(&self, more: usize, file_bytes: u64) -> u64 {
        let deleted = (self.deleted + more) as u64;
        let pages = deleted.saturating_mul(DELETED_BYTES).min(file_bytes);
        CHECKPOINT_BYTES_MIN.saturating_add(2 * self.bytes as u64).saturating_add(pages)
    }

    /// Whether the delta may still take deleted rows, in proportion to the rows that it writes.
    pub(crate) fn takes_deleted(&self) -> bool {
        self.deleted < DELETED_PER_WRITTEN * (self.rows.len() - self.deleted)
    }

    pub(crate) fn rows(&self) -> &BTreeMap<RowKey, Option<Bytes>> {
        &self.rows
    }
}

/// A delta that ends between two entries and waits to be written to redb.
pub(crate) struct FrozenDelta {
    pub(crate) delta: Delta,
    /// The next position to apply after it.
    pub(crate) cursor: Lsn,
    pub(crate) checksum: u64,
    /// The position at which the store was found to differ from those of the other replicas.
    pub(crate) differs: Option<Lsn>,
}
