//! [`Refused`]: why apply did not do a write.

use super::limits::{FIELDS_MAX, LIST_LEN_MAX, REPLACED_BYTES_MAX};
use super::object_id::ObjectId;
use super::object_type::ObjectType;

/// Why a write is impossible in the state that it meets. Every replica refuses it alike, and nothing changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The command names an object that the log has not created.
    #[error("there is no object with id {0}, expected one that was opened before")]
    NoObject(ObjectId),
    /// The write is not one of the object's type.
    #[error("an object of type {has} has no write {write}")]
    NotOfType {
        /// The type of the object.
        has: ObjectType,
        /// The write.
        write: &'static str,
    },
    /// The sum of a counter would not fit.
    #[error("the counter is at {at}, and {by} more is beyond a signed number of 64 bits")]
    Overflow {
        /// The value of the counter.
        at: i64,
        /// What was to be added.
        by: i64,
    },
    /// A list has no such place.
    #[error("there is no place {index} in a list of {len} elements")]
    OutOfList {
        /// The place that was asked for. The first one is 0.
        index: u64,
        /// The number of elements in the list.
        len: u64,
    },
    /// A list is full.
    #[error("the list has {LIST_LEN_MAX} elements already, and may not have more")]
    ListFull,
    /// An object is full.
    #[error("the object would have more than {FIELDS_MAX} keys or elements")]
    Full,
    /// The command, together with those before it in the same entry, replaces too much.
    #[error(
        "commands that were sent together would replace more than {REPLACED_BYTES_MAX} bytes of earlier values: send \
         this one again, or in parts"
    )]
    TooMuchReplaced,
    /// The parent of a new path is missing.
    #[error("the path {0:?} has no parent, expected that {1:?} was created before")]
    NoParent(String, String),
    /// The path is there already.
    #[error("the path {0:?} exists already")]
    Exists(String),
    /// The path is not there.
    #[error("the path {0:?} does not exist")]
    NoPath(String),
    /// The path has children.
    #[error("the path {0:?} has children, expected that they were deleted before")]
    HasChildren(String),
}
