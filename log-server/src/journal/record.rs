//! A record: an 80-byte header and a body.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `NXRC` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | [`Kind`] |
//! | 6 | 2 | zero |
//! | 8 | 4 | crc32 of storage id, segment number, all other bytes of the header, body |
//! | 12 | 4 | crc of the record before (first record: of the segment header; 0 after a batch with a damaged record) |
//! | 16 | 4 | length of the body |
//! | 20 | 4 | number of client commands that the record carries |
//! | 24 | 24 | loglet: log, ordinal, nonce |
//! | 48 | 8 | offset (or the index, for raft) |
//! | 56 | 16 | incarnation: storage id, boot |
//! | 72 | 8 | known tail |

use bytes::{Buf, Bytes};
use naxos_proto::ids::{Boot, Incarnation, LogId, LogletId, Offset, StorageId};
use naxos_proto::release::{ClusterVersion, IS_NEXT_RELEASE};

use crate::journal::SegmentNumber;

/// Length of a record's header.
pub(crate) const HEADER_BYTES: usize = 80;
const MAGIC: [u8; 4] = *b"NXRC";
const VERSION: u8 = 1;
const CRC_AT: usize = 8;

/// The kind of a record. The number is the byte that stands for it on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Batch = 1,
    Preamble = 2,
    Cell = 3,
    Junk = 4,
    Open = 5,
    Seal = 6,
    Trim = 7,
    Drop = 8,
    Floor = 9,
    Boot = 10,
    RaftVote = 11,
    RaftEntry = 12,
    RaftTruncate = 13,
    RaftPurge = 14,
    RaftSnapshot = 15,
    /// A cell under the number that the next release has for it (`naxos_proto::release`).
    NextCell = 16,
}

impl Kind {
    pub(crate) fn from_code(code: u8) -> Option<Kind> {
        use Kind::*;
        let all = [
            Batch,
            Preamble,
            Cell,
            Junk,
            Open,
            Seal,
            Trim,
            Drop,
            Floor,
            Boot,
            RaftVote,
            RaftEntry,
            RaftTruncate,
            RaftPurge,
            RaftSnapshot,
            NextCell,
        ];
        all.into_iter().find(|k| *k as u8 == code && (IS_NEXT_RELEASE || *k != NextCell))
    }

    /// The kind of the records of cells in a cluster with this version.
    pub(crate) fn of_cells(version: ClusterVersion) -> Kind {
        if version.has_next() { Kind::NextCell } else { Kind::Cell }
    }

    /// Whether the record is a cell or junk. If such a record is lost, only one offset of one loglet is lost here, and
    /// another unit may still hold it.
    pub(crate) fn is_cell(self) -> bool {
        self.has_value() || self == Kind::Junk
    }

    /// Whether the record is a cell that holds a value.
    pub(crate) fn has_value(self) -> bool {
        matches!(self, Kind::Cell | Kind::NextCell)
    }
}

/// The content of a record: its body and the fields of its header, except for the two crcs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) loglet: LogletId,
    pub(crate) offset: Offset,
    pub(crate) incarnation: Incarnation,
    pub(crate) known_tail: Offset,
    pub(crate) commands: u32,
    pub(crate) body: Bytes,
}

impl Draft {
    /// A record of `kind` with all other fields zero.
    pub(crate) fn new(kind: Kind, body: Bytes) -> Self {
        Self {
            kind,
            loglet: LogletId::default(),
            offset: Offset::ZERO,
            incarnation: Incarnation::default(),
            known_tail: Offset::ZERO,
            commands: 0,
            body,
        }
    }

    /// The record's length on disk.
    pub(crate) fn bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }
}

/// The start value of all crcs in one segment. It binds each record to its segment and data directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(storage: StorageId, segment: SegmentNumber) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&storage.0.to_le_bytes());
        hasher.update(&u64::from(segment.0).to_le_bytes());
        Self(hasher.finalize())
    }
}

/// A record that was read from a segment.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) draft: Draft,
    pub(crate) crc: u32,
    pub(crate) prev_crc: u32,
}

fn crc_of(seed: Seed, header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed.0);
    hasher.update(&header[..CRC_AT]);
    hasher.update(&header[CRC_AT + 4..]);
    hasher.update(body);
    hasher.finalize()
}

/// The header of `draft`, which follows a record with crc `prev_crc`, and the new record's own crc.
pub(crate) fn encode_header(seed: Seed, prev_crc: u32, draft: &Draft) -> ([u8; HEADER_BYTES], u32) {
    let mut h = [0; HEADER_BYTES];
    let body_len = u32::try_from(draft.body.len()).expect("a record is smaller than a segment");
    h[..4].copy_from_slice(&MAGIC);
    h[4] = VERSION;
    h[5] = draft.kind as u8;
    h[12..16].copy_from_slice(&prev_crc.to_le_bytes());
    h[16..20].copy_from_slice(&body_len.to_le_bytes());
    h[20..24].copy_from_slice(&draft.commands.to_le_bytes());
    let words = [
        draft.loglet.log.0,
        draft.loglet.ordinal,
        draft.loglet.nonce,
        draft.offset.0,
        draft.incarnation.storage.0,
        draft.incarnation.boot.0,
        draft.known_tail.0,
    ];
    for (i, word) in words.into_iter().enumerate() {
        h[24 + 8 * i..32 + 8 * i].copy_from_slice(&word.to_le_bytes());
    }
    let crc = crc_of(seed, &h, &draft.body);
    h[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    (h, crc)
}

/// The record at the start of `bytes`. `None` if it is cut short, if its crc does not match, or if its magic, version
/// or kind is not known. Never panics.
pub(crate) fn decode_record(seed: Seed, bytes: &Bytes) -> Option<Record> {
    decode(seed, bytes.first_chunk()?, bytes)
}

/// As [`decode_record`], but with `header` in place of the header in `bytes`.
fn decode(seed: Seed, header: &[u8; HEADER_BYTES], bytes: &Bytes) -> Option<Record> {
    if header[..4] != MAGIC || header[4] != VERSION || header[6..8] != [0, 0] {
        return None;
    }
    let kind = Kind::from_code(header[5])?;
    let mut fields = &header[CRC_AT..];
    let crc = fields.get_u32_le();
    let prev_crc = fields.get_u32_le();
    let body_len = fields.get_u32_le() as usize;
    let commands = fields.get_u32_le();
    if body_len > bytes.len() - HEADER_BYTES {
        return None;
    }
    let body = bytes.slice(HEADER_BYTES..HEADER_BYTES + body_len);
    if crc_of(seed, header, &body) != crc {
        return None;
    }
    let log = LogId(fields.get_u64_le());
    let loglet = LogletId { log, ordinal: fields.get_u64_le(), nonce: fields.get_u64_le() };
    let offset = Offset(fields.get_u64_le());
    let storage = StorageId(fields.get_u64_le());
    let incarnation = Incarnation { storage, boot: Boot(fields.get_u64_le()) };
    let known_tail = Offset(fields.get_u64_le());
    let draft = Draft { kind, loglet, offset, incarnation, known_tail, commands, body };
    Some(Record { draft, crc, prev_crc })
}

/// Looks for a single wrong bit in the header of the record at the start of `bytes`: with that bit flipped the record
/// decodes. Returns the number of the bit, counted from the start of the record and from the lowest bit of each byte.
pub(crate) fn wrong_header_bit(seed: Seed, bytes: &Bytes) -> Option<usize> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
    (0..HEADER_BYTES * 8).find(|bit| {
        let mut header = *header;
        header[bit / 8] ^= 1 << (bit % 8);
        decode(seed, &header, bytes).is_some()
    })
}

/// Looks for a single wrong bit in the body of the record at the start of `bytes`. Returns the number of the bit,
/// counted as in [`wrong_header_bit`]. If the record is damaged in another way, the result may still be a bit, by
/// chance. The probability is 1 in 2^32 for each bit of the body.
///
/// A crc is linear: the effect of one wrong bit depends only on the bit's position. The loop steps through these
/// effects from the last bit to the first.
pub(crate) fn wrong_body_bit(seed: Seed, bytes: &Bytes) -> Option<usize> {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let (header, behind) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let body = behind.get(..claimed_bytes(bytes)? - HEADER_BYTES)?;
    let stored = u32::from_le_bytes(header[CRC_AT..CRC_AT + 4].try_into().expect("four bytes"));
    let wrong = crc_of(seed, header, body) ^ stored;
    let mut effect = 1;
    let from_the_end = (1..=body.len() * 8).find(|_| {
        effect = (effect >> 1) ^ if effect & 1 == 1 { POLYNOMIAL } else { 0 };
        effect == wrong
    })?;
    // Within a byte the crc takes the lowest bit first.
    let bytes_from_the_end = from_the_end.div_ceil(8);
    Some((HEADER_BYTES + body.len() - bytes_from_the_end) * 8 + (bytes_from_the_end * 8 - from_the_end))
}

/// The record's length on disk as the header at the start of `bytes` gives it. Only the header's magic is checked, so
/// the length may be wrong. It tells where to look for the record that follows a damaged one. `None` if the magic is
/// wrong, or if `bytes` end within the header.
pub(crate) fn claimed_bytes(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..HEADER_BYTES)?;
    let body_len = u32::from_le_bytes(header[16..20].try_into().expect("four bytes")) as usize;
    (header[..4] == MAGIC).then(|| HEADER_BYTES.checked_add(body_len)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn sample() -> Draft {
        Draft {
            kind: Kind::Cell,
            loglet: LogletId { log: LogId(1), ordinal: 2, nonce: 3 },
            offset: Offset(4),
            incarnation: Incarnation { storage: StorageId(5), boot: Boot(6) },
            known_tail: Offset(3),
            commands: 9,
            body: Bytes::from_static(b"hello"),
        }
    }

    fn encoded(seed: Seed) -> Bytes {
        let draft = sample();
        let (header, _) = encode_header(seed, 77, &draft);
        [&header[..], &draft.body].concat().into()
    }

    #[test]
    fn a_record_comes_back_and_every_flipped_bit_is_seen() {
        let seed = Seed::new(StorageId(1), SegmentNumber(1));
        let bytes = encoded(seed);
        let record = decode_record(seed, &bytes).unwrap();
        assert_eq!((record.draft, record.prev_crc), (sample(), 77));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            let bad = bad.into();
            assert!(decode_record(seed, &bad).is_none(), "bit {bit}");
            let (in_header, in_body) = (wrong_header_bit(seed, &bad), wrong_body_bit(seed, &bad));
            assert_eq!(in_header, (bit < HEADER_BYTES * 8).then_some(bit));
            assert!(bit < HEADER_BYTES * 8 || in_body == Some(bit), "bit {bit}: {in_body:?}");
        }
        for cut in 0..bytes.len() {
            assert!(decode_record(seed, &bytes.slice(..cut)).is_none());
        }
    }

    #[test]
    fn a_record_is_bound_to_its_segment_and_data_directory() {
        let bytes = encoded(Seed::new(StorageId(1), SegmentNumber(1)));
        assert!(decode_record(Seed::new(StorageId(1), SegmentNumber(2)), &bytes).is_none());
        assert!(decode_record(Seed::new(StorageId(2), SegmentNumber(1)), &bytes).is_none());
    }
}
