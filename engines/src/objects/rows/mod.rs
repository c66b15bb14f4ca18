//! The rows of the objects in the local store. Each value begins with a format byte, 1. Numbers in names are
//! big-endian, so that rows sort by them; those in values are little-endian. A version is a position u64 and an index
//! u32.
//!
//! | table | name | value after the format byte |
//! |---|---|---|
//! | 64 names | the object's name | object u64 |
//! | 65 objects | object | type u8, version of its creation, name |
//! | 66 states | object | version of its last change, count of fields u64 |
//! | 67 fields | object, key | version of its last change, value |
//! | 68 changes | object, version | [`change`] |
//! | 69 commits | version | bytes of its changes u64, the objects u64 that it changed |
//! | 70 kept | empty | [`kept`] |
//!
//! A *field* is a value with a name and a version. Every type of object is made of fields ([`super::types`]).
//!
//! Readers run while an entry is applied and read row by row. So a change is written before the state and the fields
//! that it changes: a reader that meets a field that is too new for it finds the earlier value in the change. And
//! [`kept`] is written before the changes that it forgets are deleted: a reader that misses a change finds out that it
//! is forgotten.

pub(super) mod change;
pub(super) mod commit;
pub(super) mod field;
pub(super) mod kept;
pub(super) mod names;
pub(super) mod object;
pub(super) mod state;
