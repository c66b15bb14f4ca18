//! The transaction of one log entry.

use bytes::Bytes;
use naxos_proto::ids::Lsn;
use parking_lot::MutexGuard;

use crate::local_store::checksum::RunningChecksum;
use crate::local_store::reader::StoreReader;
use crate::local_store::row_key::RowKey;
use crate::local_store::shared::Shared;

/// A point to roll back to within a [`Txn`].
#[derive(Clone, Debug)]
pub struct Mark {
    /// Length of the undo list at this point.
    undo: usize,
    checksum: RunningChecksum,
}

/// The changes of one entry. They are made in the open delta at once. If the transaction is dropped without a commit,
/// they are undone.
pub struct Txn<'a> {
    shared: &'a std::sync::Arc<Shared>,
    _boundary: MutexGuard<'a, ()>,
    /// An item for each change of this transaction, oldest first: the row, and the earlier change in the open delta
    /// that was replaced, in the form of `Delta::get`.
    undo: Vec<(RowKey, Option<Option<Bytes>>)>,
    checksum: RunningChecksum,
    committed: bool,
}

impl<'a> Txn<'a> {
    pub(crate) fn new(shared: &'a std::sync::Arc<Shared>) -> Self {
        let boundary = shared.boundary.lock();
        Self {
            shared,
            _boundary: boundary,
            undo: Vec::new(),
            checksum: RunningChecksum::after(shared.checksum()),
            committed: false,
        }
    }

    /// The row's value, with this transaction's changes.
    pub fn get(&self, key: &RowKey) -> Option<Bytes> {
        StoreReader::new(std::sync::Arc::clone(self.shared)).get(key)
    }

    /// Rows with this transaction's changes, as [`StoreReader::scan`] returns them.
    pub fn scan(&self, from: &RowKey, below: &RowKey, limit: usize) -> Vec<(RowKey, Bytes)> {
        StoreReader::new(std::sync::Arc::clone(self.shared)).scan(from, below, limit)
    }

    /// Sets a row.
    pub fn put(&mut self, key: RowKey, value: Bytes) {
        self.checksum.put(&key, &value);
        self.set(key, Some(value));
    }

    /// Deletes a row.
    pub fn delete(&mut self, key: RowKey) {
        self.checksum.delete(&key);
        self.set(key, None);
    }

    fn set(&mut self, key: RowKey, value: Option<Bytes>) {
        let old = self.shared.open.write().set(key.clone(), value);
        self.undo.push((key, old));
    }

    /// The current state, for a later [`Self::roll_back`].
    pub fn mark(&self) -> Mark {
        Mark { undo: self.undo.len(), checksum: self.checksum.clone() }
    }

    /// Undoes all changes since `mark`, in the checksum too.
    pub fn roll_back(&mut self, mark: Mark) {
        self.checksum = mark.checksum;
        self.undo_to(mark.undo);
    }

    fn undo_to(&mut self, len: usize) {
        let mut open = self.shared.open.write();
        while self.undo.len() > len {
            let (key, old) = self.undo.pop().expect("longer than the mark");
            open.unset(key, old);
        }
    }

    /// Publishes the changes together with the cursor, which moves to `next`.
    pub fn commit(mut self, next: Lsn) {
        assert!(next > self.shared.applied(), "the cursor only moves forward: {} to {next}", self.shared.applied());
        self.committed = true;
        self.shared.publish(next, self.checksum.value());
        self.shared.freeze_if_due();
    }
}

impl Drop for Txn<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.undo_to(0);
        }
    }
}
