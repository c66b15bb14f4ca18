//! The first 64 bytes of a segment.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `NAXOSSEG` |
//! | 8 | 4 | version, 2 |
//! | 12 | 4 | crc32 of all other bytes |
//! | 16 | 8 | segment number |
//! | 24 | 8 | storage id |
//! | 32 | 8 | sequence of the first batch |
//! | 40 | 8 | length of the file |
//! | 48 | 8 | zero |
//! | 56 | 8 | end mark `NAXOSEND` |
//!
//! A torn write leaves the first part of the header and zeros after it. It lacks at least the last byte of the end mark,
//! which has two bits that are one. So it never looks like a whole header in which one bit was damaged.

use std::fmt;

use naxos_proto::ids::StorageId;

use crate::journal::JOURNAL_DIR;

/// Length of the header; the rest of its block is zero.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"NAXOSSEG";
const END_MARK: [u8; 8] = *b"NAXOSEND";
pub(crate) const VERSION: u32 = 2;

/// A segment's number. Numbers rise. A number is used again only if no batch was ever accepted under it. It takes eight
/// bytes on disk and four in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentNumber(pub(crate) u32);

impl SegmentNumber {
    pub(crate) const FIRST: SegmentNumber = SegmentNumber(1);

    pub(crate) fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("nobody writes four billion segments"))
    }

    /// The number that a file's name gives. `None` if it is not a segment's name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let digits = name.strip_suffix(".seg").filter(|d| d.len() == 16)?;
        let number = u64::from_str_radix(digits, 16).ok()?;
        // Higher numbers are never reached, so a file with such a name is not a segment.
        let number = Self(u32::try_from(number).ok().filter(|number| *number <= u32::MAX / 2)?);
        (number.to_string() == name).then_some(number)
    }
}

impl fmt::Display for SegmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.seg", self.0)
    }
}

/// The path of a segment's file.
pub(crate) fn segment_path(number: SegmentNumber) -> String {
    format!("{JOURNAL_DIR}/{number}")
}

/// The fields of a segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: SegmentNumber,
    pub(crate) storage: StorageId,
    pub(crate) first_sequence: u64,
    pub(crate) segment_bytes: u64,
}

/// Why a header does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// All bytes are zero: no header was ever written.
    Zero,
    /// The header is whole, but of a version that this build does not know.
    Version(u32),
    /// The header is torn or damaged.
    Damaged,
}

impl SegmentHeader {
    /// The header's bytes and their crc. The first record is chained to that crc.
    pub(crate) fn encode(&self) -> ([u8; SEGMENT_HEADER_BYTES], u32) {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&u64::from(self.number.0).to_le_bytes());
        out[24..32].copy_from_slice(&self.storage.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.first_sequence.to_le_bytes());
        out[40..48].copy_from_slice(&self.segment_bytes.to_le_bytes());
        out[56..].copy_from_slice(&END_MARK);
        let crc = crc_of(&out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        (out, crc)
    }

    /// Decodes the bytes of [`Self::encode`]. Also returns their crc.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, u32), BadHeader> {
        let bytes: &[u8; SEGMENT_HEADER_BYTES] =
            bytes.get(..SEGMENT_HEADER_BYTES).and_then(|b| b.try_into().ok()).ok_or(BadHeader::Damaged)?;
        if bytes.iter().all(|b| *b == 0) {
            return Err(BadHeader::Zero);
        }
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let crc = u32_at(12);
        if bytes[..8] != MAGIC || crc != crc_of(bytes) {
            return Err(BadHeader::Damaged);
        }
        if u32_at(8) != VERSION {
            return Err(BadHeader::Version(u32_at(8)));
        }
        let number = SegmentNumber(u32::try_from(u64_at(16)).map_err(|_| BadHeader::Damaged)?);
        let (storage, first_sequence, segment_bytes) = (StorageId(u64_at(24)), u64_at(32), u64_at(40));
        let header = Self { number, storage, first_sequence, segment_bytes };
        Ok((header, crc))
    }

    /// The header at the start of `block` if it is right except for one bit, with that bit corrected.
    pub(crate) fn but_for_one_bit(block: &[u8]) -> Option<(Self, u32)> {
        let found: &[u8; SEGMENT_HEADER_BYTES] = block.first_chunk()?;
        (0..SEGMENT_HEADER_BYTES * 8).find_map(|bit| {
            let mut other = *found;
            other[bit / 8] ^= 1 << (bit % 8);
            Self::decode(&other).ok()
        })
    }

    /// Whether `block`, the first of a segment, may be what a torn write of this header left: the first part of the
    /// header, then zeros. `first_sequence` and the crc may differ.
    pub(crate) fn may_have_been_torn_to(&self, block: &[u8]) -> bool {
        let (whole, _) = self.encode();
        let is_known = |at: usize| !(12..16).contains(&at) && !(32..40).contains(&at);
        let end = block.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        end <= SEGMENT_HEADER_BYTES && (0..end).all(|at| !is_known(at) || block[at] == whole[at])
    }
}

fn crc_of(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&bytes[16..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_no_segments() {
        let number = SegmentNumber(0x1f);
        assert_eq!(number.to_string(), "000000000000001f.seg");
        assert_eq!(SegmentNumber::from_name("000000000000001f.seg"), Some(number));
        for bad in ["1f.seg", "000000000000001F.seg", "spare.tmp", "+00000000000001f.seg", "ffffffffffffffff.seg"] {
            assert_eq!(SegmentNumber::from_name(bad), None, "{bad}");
        }
        assert_eq!(SegmentNumber::from_name("00000000ffffffff.seg"), None, "no number comes after it");
    }

    #[test]
    fn a_header_comes_back_and_every_flipped_bit_is_seen() {
        let (number, storage) = (SegmentNumber(7), StorageId(8));
        let header = SegmentHeader { number, storage, first_sequence: 9, segment_bytes: 10 };
        let (bytes, crc) = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok((header, crc)));
        assert_eq!(SegmentHeader::decode(&[0; 64]), Err(BadHeader::Zero));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&bad), Err(BadHeader::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_torn_header_never_looks_like_a_damaged_one() {
        let (number, storage) = (SegmentNumber(2), StorageId(8));
        let header = SegmentHeader { number, storage, first_sequence: 1, segment_bytes: 1 << 18 };
        let (whole, _) = header.encode();
        for kept in 0..whole.len() {
            let mut torn = [0; SEGMENT_HEADER_BYTES];
            torn[..kept].copy_from_slice(&whole[..kept]);
            assert!(header.may_have_been_torn_to(&torn), "{kept} bytes were written");
            assert_eq!(SegmentHeader::but_for_one_bit(&torn), None, "{kept} bytes were written");
        }
    }
}
