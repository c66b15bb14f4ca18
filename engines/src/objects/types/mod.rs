//! The types of objects, one in each file: its handle, with its reads and updates, and how its writes change fields.
//!
//! - register: the empty key has the value
//! - counter: the empty key has the sum, i64
//! - map and index: each key has its value; set: each member has an empty value
//! - list: `h` has the next element's number, a place below which all elements are, and the length, each u64. `o` and a
//!   place, u64 big-endian, have the number of the element there, u64 big-endian. `e` and that number have the element
//! - queue: `h` has the number of the first element, and `t` the number that the next push uses, each u64. `e` and a
//!   number, u64 big-endian, have the element
//! - tree: the depth, u8, and the path have the value

pub(super) mod counter;
pub(super) mod index;
pub(super) mod keyed;
pub(super) mod list;
pub(super) mod map;
pub(super) mod queue;
pub(super) mod register;
pub(super) mod set;
pub(super) mod tree;

use super::failure::Failure;
use super::fields::Overlay;
use super::object_id::ObjectId;
use super::object_type::ObjectType;
use super::output::Output;
use super::refused::Refused;
use super::write::Write;

/// Does a write to an object of this type. If it is refused, the overlay is of no use any more.
pub(super) fn apply(
    fields: &mut Overlay<'_>,
    object: ObjectId,
    object_type: ObjectType,
    write: &Write,
) -> Result<Output, Failure> {
    match object_type {
        ObjectType::Register | ObjectType::Map | ObjectType::Set | ObjectType::Index => {
            keyed::apply(fields, object, object_type, write)
        }
        ObjectType::Counter => counter::apply(fields, object, write),
        ObjectType::List => list::apply(fields, object, write),
        ObjectType::Queue => queue::apply(fields, object, write),
        ObjectType::Tree => tree::apply(fields, object, write),
    }
}

/// The refusal of a write that the type does not have.
fn not_of_type(has: ObjectType, write: &Write) -> Failure {
    Refused::NotOfType { has, write: write.name() }.into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::objects::fields::{Fields, KeyRange};
    use crate::objects::rows::field::Field;
    use crate::objects::rows::state::ObjectState;
    use crate::objects::unreadable::Unreadable;
    use crate::objects::write::tests::each_kind;

    /// No fields at all.
    struct Nothing;

    impl Fields for Nothing {
        fn get(&self, _: ObjectId, _: &[u8]) -> Result<Option<Field>, Unreadable> {
            Ok(None)
        }

        fn scan(&self, _: ObjectId, _: &KeyRange, _: usize) -> Result<Vec<(Bytes, Field)>, Unreadable> {
            Ok(Vec::new())
        }

        fn state(&self, _: ObjectId) -> Result<ObjectState, Unreadable> {
            Ok(ObjectState::default())
        }
    }

    #[test]
    fn each_type_takes_its_own_writes_and_refuses_the_others_by_name() {
        let keyed = ["put", "remove"];
        let expected: [(ObjectType, &[&str]); 8] = [
            (ObjectType::Register, &keyed),
            (ObjectType::Map, &keyed),
            (ObjectType::Set, &keyed),
            (ObjectType::Index, &keyed),
            (ObjectType::Counter, &["add"]),
            (ObjectType::List, &["push", "insert", "replace", "take"]),
            (ObjectType::Queue, &["push", "pop"]),
            (ObjectType::Tree, &["create", "assign", "delete"]),
        ];
        for (object_type, writes) in expected {
            for write in each_kind() {
                let tried = apply(&mut Overlay::new(&Nothing), ObjectId(1), object_type, &write);
                let refused = match tried {
                    Err(Failure::Refused(refused @ Refused::NotOfType { .. })) => Some(refused.to_string()),
                    _ => None,
                };
                let expected = format!("an object of type {object_type} has no write {}", write.name());
                let is_known = writes.contains(&write.name());
                assert_eq!(refused, (!is_known).then_some(expected), "{object_type}: {write:?}");
            }
        }
    }
}
