//! [`ObjectState`]: the values that belong to an object as a whole and change with its writes.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};

use crate::objects::version::Version;

const FORMAT: u8 = 1;

/// The values that belong to an object as a whole and change with its writes. An object without a row has the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::objects) struct ObjectState {
    /// The version of the object's last change.
    pub(in crate::objects) changed: Version,
    /// How many fields it has.
    pub(in crate::objects) fields: u64,
}

impl ObjectState {
    pub(in crate::objects) fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(21);
        out.put_u8(FORMAT);
        self.put(&mut out);
        out.freeze()
    }

    pub(in crate::objects) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "state of an object");
        r.version(FORMAT)?;
        let state = Self::read(&mut r)?;
        r.end()?;
        Ok(state)
    }

    pub(super) fn put(self, out: &mut BytesMut) {
        self.changed.put(out);
        out.put_u64_le(self.fields);
    }

    pub(super) fn read(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { changed: Version::read(r)?, fields: r.u64()? })
    }
}
