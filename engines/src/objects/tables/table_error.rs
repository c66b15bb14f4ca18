//! [`TableError`]: why a call of a table failed.

use crate::objects::limit_error::LimitError;
use crate::objects::read_error::ReadError;
use crate::objects::transaction_error::TransactionError;
use crate::objects::version::Version;

/// Why a call of a table failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The objects of the table could not be read or written in this transaction.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The rows could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A key is too long.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The table has no secondary index of this name.
    #[error("the table {table:?} has no index {index:?}, expected one of {expected:?}")]
    NoIndex {
        /// The table.
        table: String,
        /// The index that was asked for.
        index: String,
        /// The indexes of the table.
        expected: &'static [&'static str],
    },
    /// An index was not complete at this version, so it does not find all rows of that time.
    #[error(
        "the index {index:?} of the table {table:?} has been complete since version {since}, asked for version {asked}"
    )]
    IndexLater {
        /// The table.
        table: String,
        /// The index.
        index: String,
        /// The version that was asked for.
        asked: Version,
        /// The first version at which the index was complete.
        since: Version,
    },
    /// A row cannot be read. The text is that of [`Row::decode`](super::Row::decode).
    #[error("a row of the table {table:?} cannot be read: {why}")]
    Row {
        /// The table.
        table: String,
        /// What was expected.
        why: String,
    },
}
