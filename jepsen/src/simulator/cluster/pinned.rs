//! [`pinned`]: a client that stays with one node.

use super::super::calls::Caller;
use super::super::host::PORT;
use super::super::net::channel;

/// A client of one node.
pub fn pinned(name: &'static str) -> Caller {
    Caller::new(channel(vec![name], PORT))
}
