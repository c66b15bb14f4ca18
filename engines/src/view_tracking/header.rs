//! The header: the storage id of the proposing server, and the position to which it would go back after a crash.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::{Lsn, StorageId};

const HEADER_FORMAT: u8 = 1;

pub(super) fn encode(storage: StorageId, persisted: Lsn) -> Bytes {
    let mut out = BytesMut::with_capacity(17);
    out.put_u8(HEADER_FORMAT);
    out.put_u64_le(storage.0);
    out.put_u64_le(persisted.0);
    out.freeze()
}

pub(super) fn decode(bytes: Bytes) -> Result<(StorageId, Lsn), DecodeError> {
    let mut r = Reader::new(bytes, "view-tracking header");
    r.version(HEADER_FORMAT)?;
    let found = (StorageId(r.u64()?), Lsn(r.u64()?));
    r.end()?;
    Ok(found)
}
