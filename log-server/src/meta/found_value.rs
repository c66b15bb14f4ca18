//! The register's value in a journal that was read, before its log server is started.

use bytes::Bytes;

use crate::FoundJournal;
use crate::meta::register::last_value;
use crate::open_error::OpenError;

/// The MetaStore's value as far as this replica knows it, committed or not; empty if it has none.
pub fn found_value(journal: &FoundJournal) -> Result<Bytes, OpenError> {
    last_value(journal.raft())
}
