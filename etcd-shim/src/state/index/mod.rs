//! The index of the key space: every key, its revisions, and as many of the newest values as memory may hold.
//!
//! - [`tree`]: the ordered map, which can be cloned in O(1); [`guide`]: searches one of its nodes
//! - [`key_entry`]: one key and its history; [`revision_key`]: a place in that history; [`key_value`]: the encoding of
//!   a value; [`residents`]: which values memory holds; [`row_source`]: finds values that memory does not hold
//! - [`keys`]: the keys that a request names; [`chunked_queue`]: a queue that grows without moving its items

pub(crate) mod chunked_queue;
mod guide;
pub(crate) mod key_entry;
pub(crate) mod key_value;
pub(crate) mod keys;
pub(crate) mod residents;
pub(crate) mod revision_key;
pub(crate) mod row_source;
pub(crate) mod tree;
