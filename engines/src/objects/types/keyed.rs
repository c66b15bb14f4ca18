//! Writes of the types that are values by key: register, map, set and index.

use crate::objects::failure::Failure;
use crate::objects::fields::{Fields, Overlay};
use crate::objects::object_id::ObjectId;
use crate::objects::object_type::ObjectType;
use crate::objects::output::Output;
use crate::objects::types::not_of_type;
use crate::objects::write::Write;

pub(super) fn apply(
    fields: &mut Overlay<'_>,
    object: ObjectId,
    object_type: ObjectType,
    write: &Write,
) -> Result<Output, Failure> {
    match write {
        Write::Put(key, value) => {
            let was_there = fields.get(object, key)?.is_some();
            fields.put(object, key.clone(), value.clone());
            Ok(Output::Changed(!was_there))
        }
        Write::Remove(key) => {
            let was_there = fields.get(object, key)?.is_some();
            // The deletion is noted even if the field is not there now. A transaction tries its writes out before it
            // commits. Until then another command may put the field, and this write has to delete that field.
            fields.delete(object, key.clone());
            Ok(Output::Changed(was_there))
        }
        other => Err(not_of_type(object_type, other)),
    }
}
