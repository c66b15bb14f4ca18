//! [`CommitRow`]: says which objects one commit changed, so that history can be forgotten in the order of the log.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};

use crate::objects::object_id::ObjectId;

const FORMAT: u8 = 1;

/// The changes of one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::objects) struct CommitRow {
    /// The bytes of its changes.
    pub(in crate::objects) bytes: u64,
    /// The objects that it changed.
    pub(in crate::objects) objects: Vec<ObjectId>,
}

impl CommitRow {
    pub(in crate::objects) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(9 + 8 * self.objects.len());
        out.put_u8(FORMAT);
        out.put_u64_le(self.bytes);
        self.objects.iter().for_each(|object| out.put_u64_le(object.0));
        out.freeze()
    }

    pub(in crate::objects) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "commit of objects");
        r.version(FORMAT)?;
        let mut row = Self { bytes: r.u64()?, objects: Vec::new() };
        while r.left() > 0 {
            row.objects.push(ObjectId(r.u64()?));
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip() {
        let row = CommitRow { bytes: 900, objects: vec![ObjectId(1), ObjectId(5)] };
        assert_eq!(CommitRow::decode(row.encode()), Ok(row.clone()));
        assert!(CommitRow::decode(row.encode().slice(..20)).is_err());
    }
}
