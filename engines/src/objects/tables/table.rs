//! [`Table`]: the calls.

use std::marker::PhantomData;

use bytes::Bytes;

use super::index_key::{of_row, of_value};
use super::open_table_error::OpenTableError;
use super::{Row, TableError};
use crate::objects::check_bytes::check_bytes;
use crate::objects::limits::KEY_BYTES_MAX;
use crate::objects::objects::Objects;
use crate::objects::transaction::Transaction;
use crate::objects::types::index::Index;
use crate::objects::types::map::Map;
use crate::objects::version::Version;

/// Rows with a primary key and secondary indexes. Clones are the same table.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use bytes::Bytes;
/// use naxos_engines::objects::Decision;
/// use naxos_engines::objects::tables::{Row, Table};
///
/// #[derive(Clone)]
/// struct Pod {
///     name: String,
///     phase: String,
/// }
///
/// impl Row for Pod {
///     const INDEXES: &'static [&'static str] = &["phase"];
///
///     fn key(&self) -> Bytes {
///         self.name.clone().into()
///     }
///
///     fn indexed(&self, index: &str) -> Option<Bytes> {
///         match index {
///             "phase" => Some(self.phase.clone().into()),
///             _ => None,
///         }
///     }
///
///     fn encode(&self) -> Bytes {
///         format!("{} {}", self.name, self.phase).into()
///     }
///
///     fn decode(bytes: &[u8]) -> Result<Self, String> {
///         let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
///         let (name, phase) = text.split_once(' ').ok_or("expected a name and a phase")?;
///         Ok(Pod { name: name.to_owned(), phase: phase.to_owned() })
///     }
/// }
///
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let pods: Table<Pod> = objects.table("pods").await?;
/// let mut transaction = objects.begin().await?;
/// pods.put(&mut transaction, &Pod { name: "web-1".into(), phase: "pending".into() })?;
/// assert!(matches!(transaction.commit().await?, Decision::Committed(_)));
///
/// let mut transaction = objects.begin().await?;
/// let found = pods.find(&mut transaction, "phase", "pending", 10)?;
/// pods.put(&mut transaction, &Pod { phase: "running".into(), ..found[0].clone() })?; // the index follows
/// match transaction.commit().await? {
///     Decision::Committed(at) => assert_eq!(pods.get_at(at, "web-1")?.expect("it was put").phase, "running"),
///     Decision::Aborted(why) => println!("somebody was faster, begin again: {why}"),
/// }
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Table<R> {
    name: String,
    pub(super) rows: Map,
    /// In the order of [`Row::INDEXES`].
    pub(super) indexes: Vec<Index>,
    /// The version from which each index has been complete.
    complete_since: Vec<Version>,
    row: PhantomData<fn() -> R>,
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            rows: self.rows.clone(),
            indexes: self.indexes.clone(),
            complete_since: self.complete_since.clone(),
            row: PhantomData,
        }
    }
}

impl Objects {
    /// Opens the table of this name, or creates it. Its rows are the map `name`, its indexes are `name.index`, and the
    /// map `name/indexes` says which of them are complete. If the table has rows and no such index yet, the index is
    /// filled first, which takes a while if there are many rows: each gets an entry, which counts as a change in the
    /// history of the objects.
    ///
    /// # Errors
    /// If one of these objects cannot be opened, for example because it has another type, or if an index cannot be
    /// filled.
    /// # Cancel safety
    /// If the future is dropped, the objects may have been created or not. The next call goes on.
    pub async fn table<R: Row>(&self, name: &str) -> Result<Table<R>, OpenTableError> {
        let rows = self.map(name).await?;
        let mut indexes = Vec::new();
        for index in R::INDEXES {
            indexes.push(self.index(&format!("{name}.{index}")).await?);
        }
        let mut table = Table { name: name.to_owned(), rows, indexes, complete_since: Vec::new(), row: PhantomData };
        table.complete_since = table.complete_indexes(self, name).await?;
        Ok(table)
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
        transaction.all_or_nothing(|transaction| self.put_all(transaction, row))
    }

    fn put_all(&self, transaction: &mut Transaction, row: &R) -> Result<Option<R>, TableError> {
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
        transaction.all_or_nothing(|transaction| self.remove_all(transaction, key))
    }

    fn remove_all(&self, transaction: &mut Transaction, key: Bytes) -> Result<Option<R>, TableError> {
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

    /// As [`Self::find`], but at a version, as far back as history is kept and the index was complete.
    pub fn find_at(
        &self,
        version: Version,
        index: &str,
        value: impl AsRef<[u8]>,
        limit: usize,
    ) -> Result<Vec<R>, TableError> {
        let at = self.index_at(index)?;
        let since = self.complete_since[at];
        if version < since {
            let (table, index) = (self.name.clone(), index.to_owned());
            return Err(TableError::IndexLater { table, index, asked: version, since });
        }
        let entries = self.indexes[at].beginning_with(of_value(value.as_ref()), limit).at(version)?;
        let rows = entries.into_iter().filter_map(|(_, key)| self.get_at(version, key).transpose());
        rows.collect()
    }

    fn index(&self, name: &str) -> Result<&Index, TableError> {
        Ok(&self.indexes[self.index_at(name)?])
    }

    /// The place of this index in [`Row::INDEXES`].
    fn index_at(&self, name: &str) -> Result<usize, TableError> {
        let no_index =
            || TableError::NoIndex { table: self.name.clone(), index: name.to_owned(), expected: R::INDEXES };
        R::INDEXES.iter().position(|index| *index == name).ok_or_else(no_index)
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
