//! Brings the secondary indexes of a table up to date when the table is opened, if the table got an index after its rows.
//!
//! A map beside the table has the names of the indexes that are complete. An index that is not in it is made complete in
//! two passes, each of many small transactions:
//!
//! 1. Entries for which no row has this value any more are removed. The index may be one that was left out for a while.
//! 2. Each row without an entry gets it.
//!
//! Each transaction reads the rows that it is about. So if one of them changes meanwhile, the transaction is aborted and
//! done again, and writers need not wait. Two processes may do this at the same time.

use bytes::Bytes;

use super::index_key::of_row;
use super::open_table_error::OpenTableError;
use super::{Row, Table, TableError};
use crate::objects::abort_reason::AbortReason;
use crate::objects::check_bytes::check_bytes;
use crate::objects::decision::Decision;
use crate::objects::limits::{KEY_BYTES_MAX, SCAN_MAX};
use crate::objects::objects::Objects;
use crate::objects::transaction::Transaction;
use crate::objects::types::index::Index;
use crate::objects::types::map::Map;
use crate::objects::version::Version;

/// Most rows in one transaction. Each of them and its entry are read, and the entry is written, so a transaction keeps its
/// limits.
const ROWS_MAX: usize = 100;
/// How often a transaction about one row may be aborted because the row has changed.
const ATTEMPTS_MAX: u32 = 100;

impl<R: Row> Table<R> {
    /// Makes all indexes complete, and forgets that indexes are complete which the program no longer has. Returns the
    /// version from which each index has been complete.
    pub(super) async fn complete_indexes(&self, objects: &Objects, name: &str) -> Result<Vec<Version>, OpenTableError> {
        let complete = objects.map(&format!("{name}/indexes")).await?;
        let noted = complete.entries("", SCAN_MAX).linearizable().await?;
        for (old, _) in noted.iter().filter(|(noted, _)| !R::INDEXES.iter().any(|index| index.as_bytes() == noted)) {
            complete.remove(old.clone()).commit().await?;
        }
        let mut since = Vec::new();
        for (index_name, index) in R::INDEXES.iter().zip(&self.indexes) {
            let known = noted.iter().find(|(noted, _)| noted == index_name.as_bytes());
            since.push(match known {
                Some((_, note)) => note.version,
                None => self.complete_index(objects, index_name, index, &complete).await?,
            });
        }
        Ok(since)
    }

    async fn complete_index(
        &self,
        objects: &Objects,
        name: &str,
        index: &Index,
        complete: &Map,
    ) -> Result<Version, OpenTableError> {
        let mut from = Bytes::new();
        loop {
            let page = index.range(from.clone(), None, ROWS_MAX).linearizable().await?;
            let Some((last, _)) = page.last() else { break };
            from = after(last);
            let remove_if_stale = |transaction: &mut Transaction, (entry, key): &(Bytes, Bytes)| {
                let value = self.get(transaction, key.clone())?.and_then(|row| row.indexed(name));
                if value.is_none_or(|value| of_row(&value, key) != *entry) {
                    transaction.write(index.remove(entry.clone()))?;
                }
                Ok(())
            };
            in_transactions(objects, &page, remove_if_stale).await?;
        }
        let mut from = Bytes::new();
        loop {
            let page = self.rows.entries(from.clone(), ROWS_MAX).linearizable().await?;
            let Some((last, _)) = page.last() else { break };
            from = after(last);
            let keys: Vec<Bytes> = page.into_iter().map(|(key, _)| key).collect();
            let add_if_missing = |transaction: &mut Transaction, key: &Bytes| {
                let value = self.get(transaction, key.clone())?.and_then(|row| row.indexed(name));
                let Some(value) = value else { return Ok(()) };
                let entry = of_row(&value, key);
                check_bytes("indexed value together with the primary key", entry.len(), KEY_BYTES_MAX)?;
                if transaction.read(index.get(entry.clone()))?.is_none() {
                    transaction.write(index.put(entry, key.clone()))?;
                }
                Ok(())
            };
            in_transactions(objects, &keys, add_if_missing).await?;
        }
        Ok(complete.put(name.to_owned(), "").commit().await?.version)
    }
}

/// The first key after this one.
fn after(key: &Bytes) -> Bytes {
    [&key[..], &[0]].concat().into()
}

/// Does the work about each item, many in a transaction. When another writer is faster, the next transaction has fewer.
async fn in_transactions<T>(
    objects: &Objects,
    items: &[T],
    work: impl Fn(&mut Transaction, &T) -> Result<(), TableError>,
) -> Result<(), OpenTableError> {
    let (mut done, mut size, mut aborted) = (0, items.len(), 0);
    while done < items.len() {
        let some = &items[done..items.len().min(done + size)];
        let mut transaction = objects.begin().await?;
        some.iter().try_for_each(|item| work(&mut transaction, item))?;
        match transaction.commit().await? {
            Decision::Committed(_) => (done, aborted) = (done + some.len(), 0),
            Decision::Aborted(why) => {
                aborted += u32::from(some.len() == 1);
                if matches!(why.why, AbortReason::Refused(_)) || aborted > ATTEMPTS_MAX {
                    return Err(why.into());
                }
                size = size.div_ceil(2);
            }
        }
    }
    Ok(())
}
