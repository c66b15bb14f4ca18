//! The types of objects, one in each file: its handle, with its reads and updates, and how its writes change cells.
//!
//! | type | cells |
//! |---|---|
//! | register | the empty key: the value |
//! | counter | the empty key: the sum, i64 |
//! | map, index | the key: the value |
//! | set | the member: nothing |
//! | list | `h`: the next element's number, a place below which all elements are, and the length, each u64; `o` and a place, u64 big-endian: the number of the element there, u64 big-endian; `e` and a number, u64 big-endian: the element |
//! | queue | `h` and `t`: numbers u64 of the first element and of the next one; `e` and a number, u64 big-endian: the element |
//! | tree | the depth u8 and the path: the value |

pub(super) mod counter;
pub(super) mod index;
pub(super) mod keyed;
pub(super) mod list;
pub(super) mod map;
pub(super) mod queue;
pub(super) mod register;
pub(super) mod set;
pub(super) mod tree;

use super::cells::Overlay;
use super::failure::Failure;
use super::object_id::ObjectId;
use super::object_type::ObjectType;
use super::output::Output;
use super::refused::Refused;
use super::write::Write;

/// Does a write to an object of this type. If it is refused, the overlay is of no use any more.
pub(super) fn apply(
    cells: &mut Overlay<'_>,
    object: ObjectId,
    object_type: ObjectType,
    write: &Write,
) -> Result<Output, Failure> {
    match object_type {
        ObjectType::Register | ObjectType::Map | ObjectType::Set | ObjectType::Index => {
            keyed::apply(cells, object, object_type, write)
        }
        ObjectType::Counter => counter::apply(cells, object, write),
        ObjectType::List => list::apply(cells, object, write),
        ObjectType::Queue => queue::apply(cells, object, write),
        ObjectType::Tree => tree::apply(cells, object, write),
    }
}

/// The refusal of a write that the type does not have.
fn not_of_type(has: ObjectType, write: &Write) -> Failure {
    Refused::NotOfType { has, write: write.name() }.into()
}
