//! The register in a journal that was read, before its log server is started.

use bytes::Bytes;

use crate::FoundJournal;
use crate::meta::found_register::FoundRegister;
use crate::meta::register::last_state;
use crate::open_error::OpenError;

/// The MetaStore's value as far as this replica knows it, committed or not; empty if it has none.
pub fn found_value(journal: &FoundJournal) -> Result<Bytes, OpenError> {
    Ok(found_register(journal)?.bytes)
}

/// The MetaStore as far as this replica knows it.
pub fn found_register(journal: &FoundJournal) -> Result<FoundRegister, OpenError> {
    last_state(journal.raft())
}
