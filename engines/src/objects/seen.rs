//! [`Seen`]: one read of a transaction.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader, put_bytes};

use super::object_id::ObjectId;
use super::version::Version;

/// A read in the read set of a transaction: what was read, and the version that was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    pub(super) object: ObjectId,
    /// The field that was read. `None` if the read depends on the whole object.
    pub(super) key: Option<Bytes>,
    /// The version of the field or of the object. [`Version::ZERO`] if there is no such field.
    pub(super) version: Version,
}

impl Seen {
    /// The bytes that [`Self::put`] adds.
    pub(super) fn len(&self) -> usize {
        21 + self.key.as_ref().map_or(0, |key| 4 + key.len())
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        out.put_u64_le(self.object.0);
        out.put_u8(self.key.is_some().into());
        if let Some(key) = &self.key {
            put_bytes(out, key);
        }
        self.version.put(out);
    }

    pub(super) fn read(r: &mut Reader) -> Result<Self, DecodeError> {
        let object = ObjectId(r.u64()?);
        let key = match r.u8()? {
            0 => None,
            1 => Some(r.bytes()?),
            _ => return Err(r.rule("must say by 0 or 1 whether a read has a key")),
        };
        Ok(Self { object, key, version: Version::read(r)? })
    }
}
