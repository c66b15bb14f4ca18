//! [`Partial`]: which snapshot a node is fetching. It is kept beside the bytes that came so far, so that a node that ends
//! meanwhile goes on where it was.
//!
//! File `snapshot.fetched.from`, little-endian: version u8 = 1, storage id of the source u64, then of the snapshot: id
//! u64, log id u64, cursor u64, length u64, crc32 u32, format u64; then the crc32 u32 of all this.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::contracts::Manifest;
use naxos_proto::ids::{LogId, Lsn, StorageId};

/// The name of the file.
pub(super) const PARTIAL_FILE: &str = "snapshot.fetched.from";
/// The length of the file.
pub(super) const PARTIAL_BYTES: usize = 57;

const PARTIAL_FORMAT: u8 = 1;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partial {
    /// The node that offers the snapshot.
    pub(super) source: StorageId,
    pub(super) manifest: Manifest,
}

impl Partial {
    pub(super) fn encode(self) -> Bytes {
        let Manifest { id, log, cursor, bytes, crc, format } = self.manifest;
        let mut out = BytesMut::with_capacity(PARTIAL_BYTES);
        out.put_u8(PARTIAL_FORMAT);
        [self.source.0, id, log.0, cursor.0, bytes].into_iter().for_each(|n| out.put_u64_le(n));
        out.put_u32_le(crc);
        out.put_u64_le(format);
        out.put_u32_le(crc32fast::hash(&out));
        out.freeze()
    }

    pub(super) fn decode(all: Bytes) -> Result<Self, DecodeError> {
        let sum = all.len().checked_sub(4).map(|end| crc32fast::hash(&all[..end]));
        let mut r = Reader::new(all, "file of a snapshot that is being fetched");
        r.version(PARTIAL_FORMAT)?;
        let source = StorageId(r.u64()?);
        let (id, log, cursor, bytes) = (r.u64()?, LogId(r.u64()?), Lsn(r.u64()?), r.u64()?);
        let manifest = Manifest { id, log, cursor, bytes, crc: r.u32()?, format: r.u64()? };
        if Some(r.u32()?) != sum {
            return Err(r.rule("has a wrong checksum"));
        }
        r.end()?;
        Ok(Self { source, manifest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_round_trips_and_damage_is_found() {
        let manifest = Manifest { id: 1, log: LogId(2), cursor: Lsn(3), bytes: 4, crc: 5, format: 6 };
        let partial = Partial { source: StorageId(7), manifest };
        let bytes = partial.encode();
        assert_eq!(bytes.len(), PARTIAL_BYTES);
        assert_eq!(Partial::decode(bytes.clone()), Ok(partial));
        for at in 0..bytes.len() {
            let mut bad = bytes.to_vec();
            bad[at] ^= 1;
            assert!(Partial::decode(bad.into()).is_err(), "byte {at}");
            assert!(Partial::decode(bytes.slice(..at)).is_err(), "the first {at} bytes");
        }
    }
}
