//! The header that Session adds to an entry.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::{Boot, Incarnation, StorageId};

const HEADER_FORMAT: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) open: bool,
    pub(super) session: Incarnation,
    pub(super) sequence: u64,
    pub(super) floor: u64,
}

impl Header {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(34);
        out.put_u8(HEADER_FORMAT);
        out.put_u8(self.open.into());
        for n in [self.session.storage.0, self.session.boot.0, self.sequence, self.floor] {
            out.put_u64_le(n);
        }
        out.freeze()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Header, DecodeError> {
        let mut r = Reader::new(bytes, "session header");
        r.version(HEADER_FORMAT)?;
        let open = r.u8()? == 1;
        let session = Incarnation { storage: StorageId(r.u64()?), boot: Boot(r.u64()?) };
        let header = Header { open, session, sequence: r.u64()?, floor: r.u64()? };
        r.end()?;
        Ok(header)
    }
}
