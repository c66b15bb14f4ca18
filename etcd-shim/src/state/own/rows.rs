//! [`Rows`]: the rows of a program's own state machine while a command is applied.

use bytes::Bytes;
use naxos_proto::ids::Lsn;

use super::{Keys, RowSpace};

/// The rows of a program's own state machine while a command is applied: what was there before, with what this command has
/// changed. Keys are ordered by their bytes. The rows are replicated, durable and part of snapshots.
pub struct Rows<'a> {
    space: &'a mut dyn RowSpace,
    position: Lsn,
    index: u32,
}

impl<'a> Rows<'a> {
    /// The rows in `space`, for a command at a position of the log. A test of an applicator can give it a
    /// `BTreeMap<Bytes, Bytes>`:
    ///
    /// ```
    /// use naxos::{Applicator, Lsn, Refused, Rows};
    /// struct Last;
    /// impl Applicator for Last {
    ///     fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
    ///         let before = rows.get("last").unwrap_or_default();
    ///         rows.put("last", command);
    ///         Ok(before.into())
    ///     }
    /// }
    /// let mut space = std::collections::BTreeMap::new();
    /// assert_eq!(Last.apply(&mut Rows::new(&mut space, Lsn(0), 0), b"one"), Ok(b"".to_vec()));
    /// assert_eq!(Last.apply(&mut Rows::new(&mut space, Lsn(1), 0), b"two"), Ok(b"one".to_vec()));
    /// ```
    pub fn new(space: &'a mut dyn RowSpace, position: Lsn, index: u32) -> Self {
        Self { space, position, index }
    }

    /// The value of a row.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Bytes> {
        self.space.get(key.as_ref())
    }

    /// The first `limit` rows with these keys, in the order of the keys. To go on, ask for the keys after the last one.
    pub fn list(&self, keys: impl Into<Keys>, limit: usize) -> Vec<(Bytes, Bytes)> {
        let (from, below) = keys.into().bounds();
        self.space.range(&from, below.as_deref(), limit)
    }

    /// Sets a row.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.space.set(key.as_ref(), Some(Bytes::copy_from_slice(value.as_ref())));
    }

    /// Deletes a row, if there is one.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) {
        self.space.set(key.as_ref(), None);
    }

    /// The position of the command in the log, and its number within the entry there. The pair is the same on all nodes, and
    /// higher for each later command: a source of ids.
    pub fn at(&self) -> (Lsn, u32) {
        (self.position, self.index)
    }
}

/// An applicator can run another applicator on its own rows, or on a [`RowSpace`] that is built on them.
impl RowSpace for Rows<'_> {
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.space.get(key)
    }

    fn range(&self, from: &[u8], below: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        self.space.range(from, below, limit)
    }

    fn set(&mut self, key: &[u8], value: Option<Bytes>) {
        self.space.set(key, value);
    }
}
