//! An entry of the log: headers (a map from engine id to bytes, in ascending order) and a payload (Delos, SOSP'21,
//! section 3.4).
//!
//! Layout, little-endian: version u8 = 1, header count u8, then for each header id u16, length u32, bytes; the rest is
//! the payload.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader, put_bytes};
use naxos_proto::ids::EngineId;
use smallvec::SmallVec;

/// Version of the layout above.
const ENTRY_FORMAT: u8 = 1;

/// One entry of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The headers, ascending by engine id.
    headers: SmallVec<[(EngineId, Bytes); 4]>,
    /// The bytes that the topmost engine or the application reads.
    pub payload: Bytes,
}

impl Entry {
    /// An entry without headers.
    pub fn new(payload: Bytes) -> Self {
        Self { headers: SmallVec::new(), payload }
    }

    /// The header of `engine`. `None` if that engine added none.
    pub fn header(&self, engine: EngineId) -> Option<&Bytes> {
        self.headers.iter().find(|(id, _)| *id == engine).map(|(_, bytes)| bytes)
    }

    /// Adds the header of `engine`, or replaces it.
    pub fn set_header(&mut self, engine: EngineId, bytes: Bytes) {
        match self.headers.binary_search_by_key(&engine, |(id, _)| *id) {
            Ok(i) => self.headers[i].1 = bytes,
            Err(i) => self.headers.insert(i, (engine, bytes)),
        }
    }

    /// The same headers with another payload.
    pub fn with_payload(&self, payload: Bytes) -> Self {
        Self { headers: self.headers.clone(), payload }
    }

    /// The entry's bytes for the log.
    pub fn encode(&self) -> Bytes {
        let len = 2 + self.headers.iter().map(|(_, b)| 6 + b.len()).sum::<usize>() + self.payload.len();
        let mut out = BytesMut::with_capacity(len);
        out.put_u8(ENTRY_FORMAT);
        out.put_u8(u8::try_from(self.headers.len()).expect("there are few engines"));
        for (id, bytes) in &self.headers {
            out.put_u16_le(id.0);
            put_bytes(&mut out, bytes);
        }
        out.put_slice(&self.payload);
        out.freeze()
    }

    /// Decodes the bytes of [`Self::encode`] without copying the payload.
    pub fn decode(bytes: Bytes) -> Result<Entry, DecodeError> {
        let mut r = Reader::new(bytes, "log entry");
        r.version(ENTRY_FORMAT)?;
        let count = r.u8()?;
        let mut headers: SmallVec<[(EngineId, Bytes); 4]> = SmallVec::new();
        for _ in 0..count {
            let id = EngineId(r.u16()?);
            if headers.last().is_some_and(|(last, _)| *last >= id) {
                return Err(r.rule("must have its headers in ascending order"));
            }
            headers.push((id, r.bytes()?));
        }
        Ok(Entry { headers, payload: r.rest() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_layout_is_what_formats_md_says() {
        let mut entry = Entry::new(Bytes::from_static(b"pay"));
        entry.set_header(EngineId(3), Bytes::from_static(b"s"));
        entry.set_header(EngineId(1), Bytes::from_static(b"bb"));
        assert_eq!(&entry.encode()[..], b"\x01\x02\x01\0\x02\0\0\0bb\x03\0\x01\0\0\0spay");
    }

    proptest! {
        #[test]
        fn entries_round_trip(headers in prop::collection::btree_map(0u16..9, prop::collection::vec(any::<u8>(), 0..9), 0..5),
                              payload in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut entry = Entry::new(payload.into());
            for (id, bytes) in headers {
                entry.set_header(EngineId(id), bytes.into());
            }
            prop_assert_eq!(Entry::decode(entry.encode()).unwrap(), entry);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Entry::decode(bytes.into());
        }
    }
}
