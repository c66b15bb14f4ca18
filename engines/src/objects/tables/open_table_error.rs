//! [`OpenTableError`]: why a table could not be opened.

use super::table_error::TableError;
use crate::objects::aborted::Aborted;
use crate::objects::commit_error::CommitError;
use crate::objects::open_error::OpenError;
use crate::objects::read_error::ReadError;
use crate::objects::update_error::UpdateError;

/// Why a table could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenTableError {
    /// One of the objects of the table cannot be opened, for example because it has another type.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A row cannot be read, or its value is too long for a secondary index.
    #[error("a secondary index cannot be filled: {0}")]
    Row(#[from] TableError),
    /// The rows or the secondary indexes could not be read.
    #[error("a secondary index cannot be filled: {0}")]
    Read(#[from] ReadError),
    /// A secondary index would be too large, or one of the rows changed again and again.
    #[error("a secondary index cannot be filled: {0}")]
    Aborted(#[from] Aborted),
    /// What was done for a secondary index could not be committed. Opening the table again goes on with it.
    #[error("a secondary index cannot be filled: {0}")]
    Commit(#[from] CommitError),
    /// It could not be noted that a secondary index is complete. Opening the table again does it.
    #[error("a secondary index cannot be noted as complete: {0}")]
    Update(#[from] UpdateError),
}
