//! Opens an object, or creates it.

use naxos_proto::codec::DecodeError;

use super::ObjectsApply;
use crate::local_store::Txn;
use crate::objects::limits::OBJECTS_MAX;
use crate::objects::object_id::ObjectId;
use crate::objects::object_type::ObjectType;
use crate::objects::open_refused::OpenRefused;
use crate::objects::rows::names::{name_row, object_row};
use crate::objects::rows::object::{ObjectRow, decode_name, encode_name};
use crate::objects::version::Version;

impl ObjectsApply {
    pub(super) fn open_object(
        &mut self,
        txn: &mut Txn<'_>,
        version: Version,
        name: String,
        asked: ObjectType,
    ) -> Result<Result<ObjectId, OpenRefused>, DecodeError> {
        if let Some(row) = txn.get(&name_row(&name)) {
            let object = decode_name(row)?;
            let row = txn.get(&object_row(object)).expect("a name that is known has an object");
            let has = ObjectRow::decode(row)?.object_type;
            let is_same = has == asked;
            return Ok(if is_same { Ok(object) } else { Err(OpenRefused::OtherType { name, has, asked }) });
        }
        if self.kept.objects >= OBJECTS_MAX {
            return Ok(Err(OpenRefused::TooMany { name }));
        }
        self.kept.objects += 1;
        self.kept_changed = true;
        let object = ObjectId(self.kept.objects);
        txn.put(object_row(object), ObjectRow { object_type: asked, created: version, name: name.clone() }.encode());
        // The name comes last, so that a reader that finds the name finds the object too.
        txn.put(name_row(&name), encode_name(object));
        Ok(Ok(object))
    }
}
