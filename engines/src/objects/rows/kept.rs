//! [`Kept`]: how many objects there are, and how much of the past is kept.
//!
//! Value after the format byte: objects u64, version up to which changes are forgotten, kept changes u64, their bytes
//! u64, how many changes may be kept u64, how many bytes may be kept u64.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};

use crate::local_store::StoreReader;
use crate::objects::history::History;
use crate::objects::rows::names::kept_row;
use crate::objects::version::Version;

const FORMAT: u8 = 1;

/// The only row that belongs to all objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::objects) struct Kept {
    /// How many objects were created. The newest one has this number as its id.
    pub(in crate::objects) objects: u64,
    /// Changes up to this version are forgotten, so it is the oldest one at which objects can be read.
    pub(in crate::objects) oldest: Version,
    /// How many changes are kept.
    pub(in crate::objects) changes: u64,
    /// The bytes of the changes that are kept.
    pub(in crate::objects) bytes: u64,
    /// How much may be kept.
    pub(in crate::objects) history: History,
}

impl Kept {
    /// Reads the row. If the entry that is being applied has written it already, this is what it has written.
    pub(in crate::objects) fn load(reader: &StoreReader) -> Result<Self, DecodeError> {
        reader.get(&kept_row()).map_or_else(|| Ok(Self::default()), Self::decode)
    }

    /// Whether less has to be kept.
    pub(in crate::objects) fn is_too_much(&self) -> bool {
        self.changes > self.history.changes_max || self.bytes > self.history.bytes_max
    }

    pub(in crate::objects) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(FORMAT);
        out.put_u64_le(self.objects);
        self.oldest.put(&mut out);
        out.put_u64_le(self.changes);
        out.put_u64_le(self.bytes);
        self.history.put(&mut out);
        out.freeze()
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "row of the kept history");
        r.version(FORMAT)?;
        let objects = r.u64()?;
        let oldest = Version::read(&mut r)?;
        let kept = Self { objects, oldest, changes: r.u64()?, bytes: r.u64()?, history: History::read(&mut r)? };
        r.end()?;
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::Lsn;

    use super::*;

    #[test]
    fn the_row_round_trips_and_an_unknown_version_is_refused_in_words() {
        let oldest = Version { at: Lsn(4), index: 2 };
        let kept = Kept { objects: 3, oldest, changes: 5, bytes: 6, history: History::default() };
        assert_eq!(Kept::decode(kept.encode()), Ok(kept));
        let unknown = Kept::decode(Bytes::from_static(&[7])).unwrap_err();
        assert_eq!(unknown.to_string(), "row of the kept history has version 7, this build reads version 1");
    }
}
