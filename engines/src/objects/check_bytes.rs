//! [`check_bytes`]: holds a part of a command against its bound.

use super::limit_error::LimitError;

/// Checks the size of a part of a command.
pub(super) fn check_bytes(what: &'static str, found: usize, max: usize) -> Result<(), LimitError> {
    if found > max { Err(LimitError::Bytes { what, found, max }) } else { Ok(()) }
}
