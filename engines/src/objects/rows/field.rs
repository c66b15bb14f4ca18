//! [`Field`]: a value with its version.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};

use crate::objects::version::Version;

const FORMAT: u8 = 1;

/// A value with the version of the command that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::objects) struct Field {
    pub(in crate::objects) version: Version,
    pub(in crate::objects) value: Bytes,
}

impl Field {
    pub(in crate::objects) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(13 + self.value.len());
        out.put_u8(FORMAT);
        self.version.put(&mut out);
        out.put_slice(&self.value);
        out.freeze()
    }

    pub(in crate::objects) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "field of an object");
        r.version(FORMAT)?;
        let version = Version::read(&mut r)?;
        Ok(Self { version, value: r.rest() })
    }
}
