//! What apply wrote since the last freeze: rows to their new values, `None` for deleted ones.

use std::collections::BTreeMap;

use bytes::Bytes;
use naxos_proto::ids::Lsn;

use crate::local_store::RowKey;

/// What a row costs beside its key and value: map node, lengths.
const ROW_OVERHEAD: usize = 64;

/// An ordered set of changes.
#[derive(Default)]
pub(crate) struct Delta {
    rows: BTreeMap<RowKey, Option<Bytes>>,
    bytes: usize,
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
        let old = self.rows.insert(key, value);
        self.bytes -= old.as_ref().map_or(0, cost);
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
