//! The bounds of names, keys, values, objects and transactions. What a caller can know beforehand is checked before
//! anything is proposed ([`LimitError`]). How many objects and elements there are is checked by apply ([`Refused`]).

#[cfg(doc)]
use super::limit_error::LimitError;
#[cfg(doc)]
use super::refused::Refused;

/// Most bytes in the name of an object.
pub const NAME_BYTES_MAX: usize = 256;
/// Most bytes in a key, a member or a path.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Most bytes in a value.
pub const VALUE_BYTES_MAX: usize = 512 << 10;
/// Most names in a path.
pub const DEPTH_MAX: usize = 255;
/// Most reads and writes in one transaction.
pub const OPERATIONS_MAX: usize = 1_024;
/// Most bytes that a transaction puts into the log.
pub const TRANSACTION_BYTES_MAX: usize = 1 << 20;
/// Most bytes of earlier values that the commands of one entry may replace. They are kept as history, so without this
/// bound a small entry could fill the memory.
pub const REPLACED_BYTES_MAX: usize = 16 << 20;
/// Most fields that one read returns.
pub const SCAN_MAX: usize = 10_000;
/// Most elements of a list. An insertion into a list may have to number all its elements again.
pub const LIST_LEN_MAX: u64 = 10_000;
/// Most fields of an object that is not a list: its keys, members, paths or elements.
pub const FIELDS_MAX: u64 = 1 << 24;
/// Most objects of one log.
pub const OBJECTS_MAX: u64 = 1 << 16;
