//! [`ObjectRow`]: the values of an object that never change.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};

use crate::objects::object_id::ObjectId;
use crate::objects::object_type::ObjectType;
use crate::objects::version::Version;

const FORMAT: u8 = 1;

/// The values of an object that never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::objects) struct ObjectRow {
    pub(in crate::objects) object_type: ObjectType,
    pub(in crate::objects) created: Version,
    pub(in crate::objects) name: String,
}

impl ObjectRow {
    pub(in crate::objects) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(FORMAT);
        out.put_u8(self.object_type.number());
        self.created.put(&mut out);
        out.put_slice(self.name.as_bytes());
        out.freeze()
    }

    pub(in crate::objects) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "object's row");
        r.version(FORMAT)?;
        let object_type = ObjectType::numbered(r.u8()?);
        let object_type = object_type.ok_or_else(|| r.rule("has a type that this build does not know"))?;
        let created = Version::read(&mut r)?;
        let not_text = r.rule("must have a name in UTF-8");
        let name = String::from_utf8(r.rest().to_vec()).map_err(|_| not_text)?;
        Ok(Self { object_type, created, name })
    }
}

/// The value of the row of a name.
pub(in crate::objects) fn encode_name(object: ObjectId) -> Bytes {
    let mut out = BytesMut::with_capacity(9);
    out.put_u8(FORMAT);
    out.put_u64_le(object.0);
    out.freeze()
}

/// Decodes the bytes of [`encode_name`].
pub(in crate::objects) fn decode_name(bytes: Bytes) -> Result<ObjectId, DecodeError> {
    let mut r = Reader::new(bytes, "row of an object's name");
    r.version(FORMAT)?;
    let object = ObjectId(r.u64()?);
    r.end()?;
    Ok(object)
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::Lsn;

    use super::*;

    #[test]
    fn rows_round_trip() {
        let created = Version { at: Lsn(3), index: 4 };
        let row = ObjectRow { object_type: ObjectType::Tree, created, name: "config".to_owned() };
        assert_eq!(ObjectRow::decode(row.encode()), Ok(row));
        assert_eq!(decode_name(encode_name(ObjectId(7))), Ok(ObjectId(7)));
        let unknown = ObjectRow::decode(Bytes::from_static(&[2])).unwrap_err();
        assert_eq!(unknown.to_string(), "object's row has version 2, this build reads version 1");
    }
}
