//! [`RowSpace`]: where the rows of a program's own state machine are.

use std::collections::BTreeMap;

use bytes::Bytes;
use naxos_engines::Txn;

use super::view::{own_row, read_page};

/// Where the rows of a program's own state machine are: in the local store of a node, or in memory for a test.
pub trait RowSpace {
    /// The value of a row.
    fn get(&self, key: &[u8]) -> Option<Bytes>;
    /// At most `limit` rows from `from` on and below `below`, in the order of their keys. If `below` is `None`, the
    /// range has no end.
    fn range(&self, from: &[u8], below: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)>;
    /// Sets a row, or deletes it.
    fn set(&mut self, key: &[u8], value: Option<Bytes>);
}

impl RowSpace for Txn<'_> {
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        Txn::get(self, &own_row(key))
    }

    fn range(&self, from: &[u8], below: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        read_page(from, below, limit, |from, below, limit| self.scan(from, below, limit))
    }

    fn set(&mut self, key: &[u8], value: Option<Bytes>) {
        match value {
            Some(value) => self.put(own_row(key), value),
            None => self.delete(own_row(key)),
        }
    }
}

/// For tests of an applicator without a node.
impl RowSpace for BTreeMap<Bytes, Bytes> {
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        BTreeMap::get(self, key).cloned()
    }

    fn range(&self, from: &[u8], below: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        let rows = BTreeMap::range(self, Bytes::copy_from_slice(from)..);
        let rows = rows.take_while(|(key, _)| below.is_none_or(|below| key[..] < *below));
        rows.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn set(&mut self, key: &[u8], value: Option<Bytes>) {
        match value {
            Some(value) => self.insert(Bytes::copy_from_slice(key), value),
            None => self.remove(key),
        };
    }
}
