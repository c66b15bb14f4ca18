//! [`RowChanges`]: the changes of rows, as they are applied.

use bytes::Bytes;

use super::{Row, Table, TableError};
use crate::objects::subscription::Subscription;
use crate::objects::subscription_error::SubscriptionError;
use crate::objects::version::Version;
use crate::objects::write::Write;

/// A change of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange<R> {
    /// The version of the transaction. Changes of one transaction have the same version.
    pub version: Version,
    /// The primary key.
    pub key: Bytes,
    /// The row after the change. `None` if it was removed. The inner error says that it cannot be read.
    pub row: Option<Result<R, TableError>>,
}

/// The changes of the rows of a table, in the order of the log, each once. See [`Subscription`] for what happens to a reader
/// that is too slow.
pub struct RowChanges<R> {
    table: Table<R>,
    changes: Subscription,
}

impl<R: Row> Table<R> {
    /// The changes of rows after `version`, in their order.
    pub fn changes_after(&self, version: Version) -> RowChanges<R> {
        RowChanges { table: self.clone(), changes: self.rows.object().changes_after(version) }
    }
}

impl<R: Row> RowChanges<R> {
    /// The next change. Waits until there is one.
    /// # Cancel safety
    /// If the future is dropped, no change is lost.
    pub async fn next(&mut self) -> Result<RowChange<R>, SubscriptionError> {
        let change = self.changes.next().await?;
        let version = change.version;
        Ok(match change.write {
            Write::Put(key, value) => RowChange { version, key, row: Some(self.table.decode(&value)) },
            Write::Remove(key) => RowChange { version, key, row: None },
            other => unreachable!("a map has puts and removals only, found {other:?}"),
        })
    }
}
