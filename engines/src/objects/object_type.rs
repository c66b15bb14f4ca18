//! [`ObjectType`]: what an object is.

use std::fmt;

use bytes::Bytes;

/// The type of an object. An object keeps the type that it was created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectType {
    /// One value.
    Register,
    /// Values by key, each with its version.
    Map,
    /// A number to which others are added.
    Counter,
    /// Members without values.
    Set,
    /// Values in an order that the callers choose.
    List,
    /// Values that are taken in the order in which they were added.
    Queue,
    /// Values by path. Every path but the root has a parent.
    Tree,
    /// Values by key, read by ranges of keys.
    Index,
}

const TYPES: [(ObjectType, u8, &str); 8] = [
    (ObjectType::Register, 1, "register"),
    (ObjectType::Map, 2, "map"),
    (ObjectType::Counter, 3, "counter"),
    (ObjectType::Set, 4, "set"),
    (ObjectType::List, 5, "list"),
    (ObjectType::Queue, 6, "queue"),
    (ObjectType::Tree, 7, "tree"),
    (ObjectType::Index, 8, "index"),
];

impl ObjectType {
    fn line(self) -> &'static (ObjectType, u8, &'static str) {
        TYPES.iter().find(|(of, ..)| *of == self).expect("the table has every type")
    }

    /// The number of the type in commands and rows.
    pub(super) fn number(self) -> u8 {
        self.line().1
    }

    /// The type with this number.
    pub(super) fn numbered(number: u8) -> Option<Self> {
        TYPES.iter().find(|(_, of, _)| *of == number).map(|(found, ..)| *found)
    }

    /// The key that a caller knows for the field `key`. `None` if the type has no keys.
    pub(super) fn shown_key(self, key: &Bytes) -> Option<Bytes> {
        match self {
            ObjectType::Map | ObjectType::Set | ObjectType::Index => Some(key.clone()),
            // The first byte is the depth of the path.
            ObjectType::Tree => (!key.is_empty()).then(|| key.slice(1..)),
            ObjectType::Register | ObjectType::Counter | ObjectType::List | ObjectType::Queue => None,
        }
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.line().2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_a_number_and_a_name_of_its_own() {
        for (at, (of, number, name)) in TYPES.iter().enumerate() {
            assert_eq!((ObjectType::numbered(*number), of.number()), (Some(*of), *number));
            assert!(TYPES[..at].iter().all(|(_, other, text)| other != number && text != name));
        }
        assert_eq!(ObjectType::numbered(0), None);
        assert_eq!(ObjectType::numbered(9), None);
    }
}
