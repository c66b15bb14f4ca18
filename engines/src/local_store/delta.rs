//! What apply wrote since the last freeze: rows to their new values, `None` for deleted ones.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use naxos_proto::ids::Lsn;

use crate::local_store::row_key::RowKey;

/// Frozen deltas that wait for the checkpoint; with more, proposals wait too.
pub const FROZEN_MAX: usize = 2;
/// An open delta of this many bytes is frozen at the end of the entry or the purge.
pub const DELTA_BYTES_MAX: usize = 8 << 20;
/// An open delta that is older than this is frozen.
pub const DELTA_AGE_MAX: Duration = Duration::from_secs(1);

/// What a row costs beside its key and value: map node, lengths.
const ROW_OVERHEAD: usize = 64;

/// Bytes that a checkpoint takes beside its rows': for the pages above those of the rows.
const CHECKPOINT_BYTES_MIN: u64 = 256 << 10;
/// Bytes that it may take for a deleted row: redb writes the page that the row was in anew, and perhaps those above.
const DELETED_BYTES: u64 = 8 << 10;
/// Rows that may be deleted for each that is written: as many as entries supersede, and some to catch up.
const DELETED_PER_WRITTEN: usize = 2;

/// An ordered set of changes.
#[derive(Default)]
pub(crate) struct Delta {
    rows: BTreeMap<RowKey, Option<Bytes>>,
    bytes: usize,
    /// Rows that it deletes.
    deleted: usize,
}

impl Delta {
    /// The change of a row: outer `None`, not changed here.
    pub(crate) fn get(&self, key: &RowKey) -> Option<Option<Bytes>> {
        self.rows.get(key).cloned()
    }

    /// Changes a row; the change that it replaces.
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

    /// Bytes of the disk that its checkpoint may take, and that of `more` deleted rows with it, in a file of `file_bytes`.
    /// Rows are put one behind the other, as a rule, and share pages; those that are deleted lie anywhere.
    pub(crate) fn checkpoint_bytes(&self, more: usize, file_bytes: u64) -> u64 {
        let deleted = (self.deleted + more) as u64;
        let pages = deleted.saturating_mul(DELETED_BYTES).min(file_bytes);
        CHECKPOINT_BYTES_MIN.saturating_add(2 * self.bytes as u64).saturating_add(pages)
    }

    /// Whether it has fewer deleted rows than go with those that are written.
    pub(crate) fn takes_deleted(&self) -> bool {
        self.deleted < DELETED_PER_WRITTEN * (self.rows.len() - self.deleted)
    }

    pub(crate) fn rows(&self) -> &BTreeMap<RowKey, Option<Bytes>> {
        &self.rows
    }
}

/// A delta at an entry boundary, on its way to redb.
pub(crate) struct FrozenDelta {
    pub(crate) delta: Delta,
    /// The next position to apply after it.
    pub(crate) cursor: Lsn,
    pub(crate) checksum: u64,
}
