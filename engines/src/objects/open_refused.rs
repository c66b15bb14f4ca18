//! [`OpenRefused`]: why an object was not opened.

use super::limits::OBJECTS_MAX;
use super::object_type::ObjectType;

/// Why an object was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenRefused {
    /// The object has another type.
    #[error("the object {name:?} is a {has}, expected a {asked}")]
    OtherType {
        /// The name of the object.
        name: String,
        /// The type that it has.
        has: ObjectType,
        /// The type as which it was opened.
        asked: ObjectType,
    },
    /// There are too many objects.
    #[error("the object {name:?} cannot be created: there are {OBJECTS_MAX} objects, and there may not be more")]
    TooMany {
        /// The name of the object.
        name: String,
    },
}
