//! The transaction of one log entry.

use bytes::Bytes;
use naxos_proto::ids::Lsn;
use parking_lot::MutexGuard;

use crate::local_store::{RowKey, Shared, StoreReader};

/// A point to roll back to within a [`Txn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(usize);

/// Collects one entry's changes. Dropped without a commit, it leaves the store as it was.
pub struct Txn<'a> {
    shared: &'a std::sync::Arc<Shared>,
    _boundary: MutexGuard<'a, ()>,
    /// Replaced changes, oldest first.
    undo: Vec<(RowKey, Option<Option<Bytes>>)>,
    checksum: crc32fast::Hasher,
    committed: bool,
}

impl<'a> Txn<'a> {
    pub(crate) fn new(shared: &'a std::sync::Arc<Shared>) -> Self {
        let boundary = shared.boundary.lock();
        let sum = u32::try_from(shared.checksum() & u64::from(u32::MAX)).expect("masked to 32 bits");
        Self {
            shared,
            _boundary: boundary,
            undo: Vec::new(),
            checksum: crc32fast::Hasher::new_with_initial(sum),
            committed: false,
        }
    }

    /// The row's value, this entry's changes included.
    pub fn get(&self, key: &RowKey) -> Option<Bytes> {
        StoreReader::new(std::sync::Arc::clone(self.shared)).get(key)
    }

    /// Sets a row.
    pub fn put(&mut self, key: RowKey, value: Bytes) {
        self.checksum.update(&key.key);
        self.checksum.update(&value);
        self.set(key, Some(value));
    }

    /// Deletes a row.
    pub fn delete(&mut self, key: RowKey) {
        self.checksum.update(&key.key);
        self.set(key, None);
    }

    fn set(&mut self, key: RowKey, value: Option<Bytes>) {
        let old = self.shared.open.write().set(key.clone(), value);
        self.undo.push((key, old));
    }

    /// Where to come back to.
    pub fn mark(&self) -> Mark {
        Mark(self.undo.len())
    }

    /// Undoes all changes since `mark`.
    pub fn roll_back(&mut self, mark: Mark) {
        let mut open = self.shared.open.write();
        while self.undo.len() > mark.0 {
            let (key, old) = self.undo.pop().expect("longer than the mark");
            open.unset(key, old);
        }
    }

    /// Publishes the changes together with the cursor, which moves to `next`.
    pub fn commit(mut self, next: Lsn) {
        assert!(next > self.shared.applied(), "the cursor only moves forward: {} to {next}", self.shared.applied());
        self.committed = true;
        self.shared.publish(next, self.checksum.clone().finalize().into());
        self.shared.freeze_if_due();
    }
}

impl Drop for Txn<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.roll_back(Mark(0));
        }
    }
}
