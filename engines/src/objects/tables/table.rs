//! [`Table`]: the calls.

use std::marker::PhantomData;

use bytes::Bytes;

use super::index_key::{of_row, of_value};
use super::{Row, RowChanges, TableError};
use crate::objects::limits::{KEY_BYTES_MAX, check_bytes};
use crate::objects::objects::Objects;
use crate::objects::open_error::OpenError;
use crate::objects::transaction::Transaction;
use crate::objects::types::index::Index;
use crate::objects::types::map::Map;
use crate::objects::version::Version;

/// Rows with a primary key and secondary indexes. Clones are the same table.
pub struct Table<R> {
    name: String,
    rows: Map,
    /// In the order of [`Row::INDEXES`].
    indexes: Vec<Index>,
    row: PhantomData<fn() -> R>,
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), rows: self.rows.clone(), indexes: self.indexes.clone(), row: PhantomData }
    }
}

impl Objects {
    /// Opens the table of this name, or creates it. Its rows are the map `name`, and its indexes are `name.index`.
    ///
    /// # Errors
    /// If one of these objects cannot be opened, for example because it has another type.
    /// # Cancel safety
    /// If the future is dropped, the objects may have been created or not.
    pub async fn table<R: Row>(&self, name: &str) -> Result<Table<R>, OpenError> {
        let rows = self.map(name).await?;
        let mut indexes = Vec::new();
        for index in R::INDEXES {
            indexes.push(self.index(&format!("{name}.{index}")).await?);
        }
        Ok(Table { name: name.to_owned(), rows, indexes, row: PhantomData })
    }
}

impl<R: Row> Table<R> {
    /// The row with this primary key, as the transaction sees it.
    pub fn get(&self, transaction: &mut Transaction, key: impl Into<Bytes>) -> Result<Option<R>, TableError> {
        let found = transaction.read(self.rows.get(key))?;
        found.map(|found| self.decode(&found.value)).transpose()
    }

    /// Puts a row. If there is a row with the same primary key, it is replaced, and the old row is returned.
    pub fn put(&self, transaction: &mut Transaction, row: &R) -> Result<Option<R>, TableError> {
        let key = row.key();
        check_bytes("primary key", key.len(), KEY_BYTES_MAX)?;
        let old = self.get(transaction, key.clone())?;
        for (name, index) in R::INDEXES.iter().zip(&self.indexes) {
            let before = old.as_ref().and_then(|old| old.indexed(name));
            let now = row.indexed(name);
            if before == now {
                continue;
            }
            if let Some(before) = before {
                transaction.write(index.remove(of_row(&before, &key)))?;
            }
            if let Some(now) = now {
                let entry = of_row(&now, &key);
                check_bytes("indexed value together with the primary key", entry.len(), KEY_BYTES_MAX)?;
                transaction.write(index.put(entry, key.clone()))?;
            }
        }
        transaction.write(self.rows.put(key, row.encode()))?;
        Ok(old)
    }

    /// Removes the row with this primary key, and returns it.
    pub fn remove(&self, transaction: &mut Transaction, key: impl Into<Bytes>) -> Result<Option<R>, TableError> {
        let key = key.into();
        let Some(old) = self.get(transaction, key.clone())? else { return Ok(None) };
        for (name, index) in R::INDEXES.iter().zip(&self.indexes) {
            if let Some(before) = old.indexed(name) {
                transaction.write(index.remove(of_row(&before, &key)))?;
            }
        }
        transaction.write(self.rows.remove(key))?;
        Ok(Some(old))
    }

    /// The first `limit` rows that have this value in a secondary index, in the order of their primary keys; at most
    /// [`SCAN_MAX`](crate::objects::SCAN_MAX) rows.
    pub fn find(
        &self,
        transaction: &mut Transaction,
        index: &str,
        value: impl AsRef<[u8]>,
        limit: usize,
    ) -> Result<Vec<R>, TableError> {
        let read = self.index(index)?.beginning_with(of_value(value.as_ref()), limit);
        let entries = transaction.read(read)?;
        self.rows_of(transaction, entries)
    }

    /// The first `limit` rows whose values in a secondary index are at least `from` and below `below`, in the order of
    /// the values; at most [`SCAN_MAX`](crate::objects::SCAN_MAX) rows.
    pub fn find_between(
        &self,
        transaction: &mut Transaction,
        index: &str,
        (from, below): (impl AsRef<[u8]>, impl AsRef<[u8]>),
        limit: usize,
    ) -> Result<Vec<R>, TableError> {
        let (from, below) = (of_value(from.as_ref()), of_value(below.as_ref()));
        let entries = transaction.read(self.index(index)?.range(from, Some(below.into()), limit))?;
        self.rows_of(transaction, entries)
    }

    /// The row with this primary key at a version, as far back as history is kept.
    pub fn get_at(&self, version: Version, key: impl Into<Bytes>) -> Result<Option<R>, TableError> {
        let found = self.rows.get(key).at(version)?;
        found.map(|found| self.decode(&found.value)).transpose()
    }

    /// The changes of rows after `version`, in their order.
    pub fn changes_after(&self, version: Version) -> RowChanges<R> {
        RowChanges::new(self.clone(), self.rows.object().changes_after(version))
    }

    fn index(&self, name: &str) -> Result<&Index, TableError> {
        let at = R::INDEXES.iter().position(|index| *index == name);
        let no_index =
            || TableError::NoIndex { table: self.name.clone(), index: name.to_owned(), expected: R::INDEXES };
        at.map(|at| &self.indexes[at]).ok_or_else(no_index)
    }

    /// The rows that these entries of an index name.
    fn rows_of(&self, transaction: &mut Transaction, entries: Vec<(Bytes, Bytes)>) -> Result<Vec<R>, TableError> {
        let mut rows = Vec::with_capacity(entries.len());
        for (_, key) in entries {
            // The index and the rows are changed together, so the row is there.
            rows.extend(self.get(transaction, key)?);
        }
        Ok(rows)
    }

    pub(super) fn decode(&self, bytes: &[u8]) -> Result<R, TableError> {
        R::decode(bytes).map_err(|why| TableError::Row { table: self.name.clone(), why })
    }
}
