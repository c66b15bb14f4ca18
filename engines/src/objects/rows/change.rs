//! [`ChangeRow`]: what one commit did to one object.
//!
//! The value has, after the format byte:
//!
//! 1. the state before: version, count of fields u64
//! 2. count of writes u32; for each write: length u32, bytes
//! 3. count of fields u32; for each field: its key (length u32, bytes), and then u8 = 0 if it was not there before, or
//!    u8 = 1, its version and its value (length u32, bytes) before

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader, put_bytes};

use crate::objects::rows::field::Field;
use crate::objects::rows::state::ObjectState;
use crate::objects::version::Version;
use crate::objects::write::Write;

const FORMAT: u8 = 1;

/// What one commit did to one object, and what was there before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::objects) struct ChangeRow {
    /// The state of the object before.
    pub(in crate::objects) before: ObjectState,
    /// The writes, in their order.
    pub(in crate::objects) writes: Vec<Write>,
    /// The changed fields as they were before. `None` if there was no such field.
    pub(in crate::objects) fields: BTreeMap<Bytes, Option<Field>>,
}

impl ChangeRow {
    pub(in crate::objects) fn encode(&self) -> Bytes {
        let count = |n: usize| u32::try_from(n).expect("a commit is bounded");
        let mut out = BytesMut::new();
        out.put_u8(FORMAT);
        self.before.put(&mut out);
        out.put_u32_le(count(self.writes.len()));
        self.writes.iter().for_each(|write| put_bytes(&mut out, &write.encode()));
        out.put_u32_le(count(self.fields.len()));
        for (key, field) in &self.fields {
            put_bytes(&mut out, key);
            out.put_u8(field.is_some().into());
            if let Some(field) = field {
                field.version.put(&mut out);
                put_bytes(&mut out, &field.value);
            }
        }
        out.freeze()
    }

    pub(in crate::objects) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "change of an object");
        r.version(FORMAT)?;
        let before = ObjectState::read(&mut r)?;
        let writes = (0..r.u32()?).map(|_| Write::decode(r.bytes()?)).collect::<Result<_, _>>()?;
        let field = |r: &mut Reader| {
            let key = r.bytes()?;
            let field = match r.u8()? {
                0 => None,
                1 => Some(Field { version: Version::read(r)?, value: r.bytes()? }),
                _ => return Err(r.rule("must say by 0 or 1 whether a field was there")),
            };
            Ok((key, field))
        };
        let fields = (0..r.u32()?).map(|_| field(&mut r)).collect::<Result<_, _>>()?;
        r.end()?;
        Ok(Self { before, writes, fields })
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::Lsn;

    use super::*;
    use crate::objects::write::tests::each_kind;

    #[test]
    fn changes_round_trip_and_cut_ones_are_refused() {
        let version = Version { at: Lsn(9), index: 1 };
        let field = Field { version, value: Bytes::from_static(b"old") };
        let fields =
            BTreeMap::from([(Bytes::from_static(b"a"), None), (Bytes::from_static(b"b"), Some(field.clone()))]);
        let change = ChangeRow { before: ObjectState { changed: version, fields: 5 }, writes: each_kind(), fields };
        let bytes = change.encode();
        assert_eq!(ChangeRow::decode(bytes.clone()), Ok(change));
        for len in 0..bytes.len() {
            assert!(ChangeRow::decode(bytes.slice(..len)).is_err(), "cut to {len} bytes");
        }
        assert_eq!(Field::decode(field.encode()), Ok(field));
        let state = ObjectState { changed: version, fields: 7 };
        assert_eq!(ObjectState::decode(state.encode()), Ok(state));
    }
}
