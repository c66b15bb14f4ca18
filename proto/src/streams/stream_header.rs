//! [`StreamHeader`]: the header of a cell that belongs to streams.
//!
//! Layout, little-endian: format u8 = 0x53, flags u8 (1: the sequencer has filled it in; 2: it has a condition), number of
//! streams u16; the condition if there is one: stream u64, position u64; for each stream, ascending: id u64 and four
//! words u64 of [`BackPointers`]. The rest of the cell is the body of the entry.

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use super::{BackPointers, Unchanged};
use crate::codec::{DecodeError, Reader};
use crate::ids::{Lsn, StreamId};

/// An entry belongs to at most this many streams.
pub const STREAMS_MAX: usize = 64;

/// The first byte of the header. No other format of an entry begins with it.
const FORMAT: u8 = 0x53;
const FILLED: u8 = 1;
const CONDITION: u8 = 2;
const WHAT: &str = "the header of a cell with streams";

/// The header of a cell; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamHeader {
    /// Whether the sequencer has filled in the pointers. A header that it has not filled in says nothing about earlier
    /// entries.
    pub is_filled: bool,
    /// On which condition the entry was appended.
    pub condition: Option<Unchanged>,
    /// The streams of the entry, ascending, each with the entries before this one. It may be empty.
    pub streams: SmallVec<[(StreamId, BackPointers); 1]>,
}

impl StreamHeader {
    /// A cell for the sequencer: a header whose pointers are not filled in, and the body. `streams` are in any order, and a
    /// stream that is named twice counts once. There must be at most [`STREAMS_MAX`].
    pub fn blank(streams: &[StreamId], condition: Option<Unchanged>, body: &[u8]) -> Bytes {
        let mut streams: SmallVec<[StreamId; 4]> = streams.iter().copied().collect();
        streams.sort_unstable();
        streams.dedup();
        assert!(streams.len() <= STREAMS_MAX, "an entry belongs to at most {STREAMS_MAX} streams");
        let unknown = BackPointers::below(Lsn(0));
        let streams = streams.into_iter().map(|stream| (stream, unknown.clone())).collect();
        let header = Self { is_filled: false, condition, streams };
        let mut out = BytesMut::with_capacity(header.len() + body.len());
        header.encode(&mut out);
        out.put_slice(body);
        out.freeze()
    }

    /// Whether a cell begins with such a header.
    pub fn is_in(cell: &[u8]) -> bool {
        cell.first() == Some(&FORMAT)
    }

    /// The header of a cell, and the body.
    ///
    /// # Errors
    /// If the cell does not begin with a header.
    pub fn decode(cell: Bytes) -> Result<(Self, Bytes), DecodeError> {
        let mut r = Reader::new(cell, WHAT);
        let found = r.u8()?;
        if found != FORMAT {
            return Err(DecodeError::Version { what: WHAT, found: found.into(), known: FORMAT.into() });
        }
        let flags = r.u8()?;
        let count = usize::from(r.u16()?);
        if flags & !(FILLED | CONDITION) != 0 || count > STREAMS_MAX {
            return Err(r.rule("must have known flags and few streams"));
        }
        let condition = match flags & CONDITION {
            0 => None,
            _ => Some(Unchanged { stream: StreamId(r.u64()?), since: Lsn(r.u64()?) }),
        };
        let mut streams = SmallVec::<[(StreamId, BackPointers); 1]>::with_capacity(count);
        for _ in 0..count {
            let stream = StreamId(r.u64()?);
            if streams.last().is_some_and(|(last, _)| *last >= stream) {
                return Err(r.rule("must have its streams in ascending order"));
            }
            streams.push((stream, BackPointers::decode(&mut r)?));
        }
        Ok((Self { is_filled: flags & FILLED != 0, condition, streams }, r.rest()))
    }

    /// The same cell with pointers that are filled in. `pointers` returns those of a stream, and is asked for each once.
    ///
    /// # Errors
    /// If the cell does not begin with a header.
    pub fn filled(cell: Bytes, mut pointers: impl FnMut(StreamId) -> BackPointers) -> Result<Bytes, DecodeError> {
        let (mut header, _) = Self::decode(cell.clone())?;
        header.is_filled = true;
        for (stream, found) in &mut header.streams {
            *found = pointers(*stream);
        }
        let mut head = BytesMut::with_capacity(header.len());
        header.encode(&mut head);
        Ok(Self::replaced(cell, &head))
    }

    /// The same cell with another header of the same length. The body is copied only if somebody else has the cell, too.
    pub fn replaced(cell: Bytes, header: &[u8]) -> Bytes {
        let mut out = BytesMut::from(cell);
        let len = header.len().min(out.len());
        out[..len].copy_from_slice(&header[..len]);
        out.freeze()
    }

    /// The header of a cell without its body, as [`Self::filled`] takes it too. Empty if the cell has none.
    pub fn part_of(cell: &Bytes) -> Bytes {
        match Self::decode(cell.clone()) {
            Ok((header, _)) => cell.slice(..header.len()),
            Err(_) => Bytes::new(),
        }
    }

    /// The pointers to the entries of `stream` before this one. `None` if the entry is not in that stream, or if the header
    /// is not filled in.
    pub fn of(&self, stream: StreamId) -> Option<&BackPointers> {
        let found = self.streams.iter().find(|(id, _)| *id == stream).filter(|_| self.is_filled);
        found.map(|(_, pointers)| pointers)
    }

    fn len(&self) -> usize {
        4 + 16 * usize::from(self.condition.is_some()) + self.streams.len() * (8 + BackPointers::BYTES)
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(FORMAT);
        let filled = if self.is_filled { FILLED } else { 0 };
        out.put_u8(filled | if self.condition.is_some() { CONDITION } else { 0 });
        out.put_u16_le(u16::try_from(self.streams.len()).expect("there are few streams"));
        if let Some(Unchanged { stream, since }) = self.condition {
            out.put_u64_le(stream.0);
            out.put_u64_le(since.0);
        }
        for (stream, pointers) in &self.streams {
            out.put_u64_le(stream.0);
            pointers.encode(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::super::Earlier;
    use super::*;

    #[test]
    fn the_sequencer_fills_a_header_in_and_leaves_the_rest() {
        let condition = Unchanged { stream: StreamId(9), since: Lsn(77) };
        let cell = StreamHeader::blank(&[StreamId(8), StreamId(3), StreamId(8)], Some(condition), b"body");
        let (blank, body) = StreamHeader::decode(cell.clone()).unwrap();
        assert_eq!((blank.is_filled, blank.condition, &body[..]), (false, Some(condition), &b"body"[..]));
        assert_eq!(blank.of(StreamId(3)), None, "nothing is known yet");

        let known = |stream: StreamId| BackPointers { positions: smallvec![Lsn(stream.0)], earlier: Earlier::Nothing };
        let filled = StreamHeader::filled(cell.clone(), known).unwrap();
        assert_eq!(filled.len(), cell.len());
        let (header, body) = StreamHeader::decode(filled.clone()).unwrap();
        assert_eq!((header.condition, &body[..]), (Some(condition), &b"body"[..]));
        assert_eq!(header.of(StreamId(3)), Some(&known(StreamId(3))));
        assert_eq!(header.of(StreamId(8)), Some(&known(StreamId(8))));
        assert_eq!(header.of(StreamId(9)), None, "the condition makes no member");
        assert_eq!(StreamHeader::filled(StreamHeader::part_of(&cell), known), Ok(StreamHeader::part_of(&filled)));
    }

    #[test]
    fn other_bytes_are_no_header() {
        let cell = StreamHeader::blank(&[StreamId(1)], None, b"");
        for (at, byte) in [(0, 1), (1, 4), (3, 1)] {
            let mut broken = cell.to_vec();
            broken[at] = byte;
            assert!(StreamHeader::decode(broken.into()).is_err(), "byte {at}");
        }
        for len in 0..cell.len() {
            assert!(StreamHeader::decode(cell.slice(..len)).is_err(), "{len} bytes");
        }
        assert_eq!(StreamHeader::part_of(&Bytes::from_static(b"x")), Bytes::new());
    }
}
