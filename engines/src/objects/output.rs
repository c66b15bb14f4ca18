//! [`Output`]: what a write tells its caller.

use bytes::Bytes;

/// What a write tells its caller. Each type of object turns it into a type of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Nothing.
    None,
    /// Whether a put added a key that was not there, or a removal found its key.
    Changed(bool),
    /// The sum of a counter.
    Sum(i64),
    /// An element that was taken, if there was one.
    Taken(Option<Bytes>),
}
