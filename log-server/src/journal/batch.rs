//! A batch: what one sync makes durable.
//!
//! It starts with a record of kind [`Kind::Batch`] whose body is the batch's directory:
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | sequence of this batch |
//! | 8 | 8 | sequence of the last synced batch (always the one before) |
//! | 16 | 8 | length of the batch, padding included |
//! | 24 | 4 | number of entries |
//! | 28 + 40 n | 40 | entry: kind (1), zero (3), count (4), loglet (24), first offset (8) |
//!
//! An entry stands for `count` records in a row that have the same kind, the same loglet and consecutive offsets. If a
//! batch is damaged, its directory still tells which cells it held, so that these answer `Corrupt` and not `Absent`.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::Reader;
use naxos_proto::ids::{LogId, LogletId, Offset};

use crate::journal::BLOCK_BYTES;
use crate::journal::record::{Draft, HEADER_BYTES, Kind, Seed, encode_header};

const DIRECTORY_FIXED_BYTES: usize = 28;
const ENTRY_BYTES: usize = 40;
/// Bodies of at least this size are passed to the disk without a copy. Smaller ones are copied, because that costs
/// less than one more buffer in the vectored write.
const COPY_BYTES_MAX: usize = 16 << 10;

/// An entry of a batch's directory: a run of consecutive records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) count: u32,
    pub(crate) loglet: LogletId,
    pub(crate) first: Offset,
}

/// A batch's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) sequence: u64,
    pub(crate) last_synced: u64,
    pub(crate) batch_bytes: u64,
    pub(crate) entries: Vec<Entry>,
}

/// An encoded batch.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// The bytes of the batch, in pieces.
    pub(crate) bufs: Vec<Bytes>,
    /// Total length of `bufs`, a multiple of [`BLOCK_BYTES`].
    pub(crate) bytes: u64,
    /// For each record its distance from the start of the batch.
    pub(crate) positions: Vec<u32>,
    /// crc of the last record.
    pub(crate) last_crc: u32,
}

/// How many bytes a record takes at most besides its body: its header and an entry in the batch's directory.
pub(crate) const RECORD_OVERHEAD_BYTES: usize = HEADER_BYTES + ENTRY_BYTES;

/// An upper bound of the bytes of a batch whose records and directory entries take `bytes`.
pub(crate) fn batch_bytes_bound(bytes: u64) -> u64 {
    (bytes + (HEADER_BYTES + DIRECTORY_FIXED_BYTES) as u64).next_multiple_of(BLOCK_BYTES)
}

fn entries_of(drafts: &[Draft]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::with_capacity(4);
    for draft in drafts {
        if let Some(last) = entries.last_mut()
            && last.kind == draft.kind
            && last.loglet == draft.loglet
            && last.first.checked_add(u64::from(last.count)) == Some(draft.offset)
        {
            last.count += 1;
            continue;
        }
        entries.push(Entry { kind: draft.kind, count: 1, loglet: draft.loglet, first: draft.offset });
    }
    entries
}

impl Directory {
    fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(DIRECTORY_FIXED_BYTES + ENTRY_BYTES * self.entries.len());
        out.put_u64_le(self.sequence);
        out.put_u64_le(self.last_synced);
        out.put_u64_le(self.batch_bytes);
        out.put_u32_le(u32::try_from(self.entries.len()).expect("a batch has few records"));
        for e in &self.entries {
            out.put_u8(e.kind as u8);
            out.put_slice(&[0; 3]);
            out.put_u32_le(e.count);
            out.put_u64_le(e.loglet.log.0);
            out.put_u64_le(e.loglet.ordinal);
            out.put_u64_le(e.loglet.nonce);
            out.put_u64_le(e.first.0);
        }
        out.freeze()
    }

    /// Reads a batch record's body. `None` if it is not a directory.
    pub(crate) fn decode(body: Bytes) -> Option<Directory> {
        let mut r = Reader::new(body, "batch directory");
        let (sequence, last_synced, batch_bytes) = (r.u64().ok()?, r.u64().ok()?, r.u64().ok()?);
        let count = r.u32().ok()? as usize;
        if r.left() != count.checked_mul(ENTRY_BYTES)? || !batch_bytes.is_multiple_of(BLOCK_BYTES) || batch_bytes == 0 {
            return None;
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let kind = Kind::from_code(r.u8().ok()?)?;
            let _ = (r.u8().ok()?, r.u16().ok()?);
            let count = r.u32().ok()?;
            let log = LogId(r.u64().ok()?);
            let loglet = LogletId { log, ordinal: r.u64().ok()?, nonce: r.u64().ok()? };
            let first = Offset(r.u64().ok()?);
            first.checked_add(u64::from(count))?;
            entries.push(Entry { kind, count, loglet, first });
        }
        Some(Directory { sequence, last_synced, batch_bytes, entries })
    }
}

/// Encodes `drafts` as batch `sequence`, which follows a record with crc `prev_crc`.
pub(crate) fn encode_batch(seed: Seed, prev_crc: u32, sequence: u64, drafts: &[Draft]) -> Encoded {
    let entries = entries_of(drafts);
    let directory_bytes = HEADER_BYTES + DIRECTORY_FIXED_BYTES + ENTRY_BYTES * entries.len();
    let raw = directory_bytes + drafts.iter().map(Draft::bytes).sum::<usize>();
    let bytes = (raw as u64).next_multiple_of(BLOCK_BYTES);
    let directory = Directory { sequence, last_synced: sequence - 1, batch_bytes: bytes, entries };

    let copied = |d: &Draft| if d.body.len() < COPY_BYTES_MAX { d.bytes() } else { HEADER_BYTES };
    let padding = usize::try_from(bytes).expect("a batch fits memory") - raw;
    let mut flat = BytesMut::with_capacity(directory_bytes + drafts.iter().map(copied).sum::<usize>() + padding);
    let mut bufs = Vec::with_capacity(1);
    let mut positions = Vec::with_capacity(drafts.len());

    let head = Draft::new(Kind::Batch, directory.encode());
    let (header, mut crc) = encode_header(seed, prev_crc, &head);
    flat.put_slice(&header);
    flat.put_slice(&head.body);
    let mut at = head.bytes();
    for draft in drafts {
        positions.push(u32::try_from(at).expect("a batch is smaller than a segment"));
        let (header, record_crc) = encode_header(seed, crc, draft);
        crc = record_crc;
        flat.put_slice(&header);
        if draft.body.len() < COPY_BYTES_MAX {
            flat.put_slice(&draft.body);
        } else {
            bufs.push(flat.split().freeze());
            bufs.push(draft.body.clone());
        }
        at += draft.bytes();
    }
    // Only whole blocks are written. Otherwise the kernel would have to read a page in order to change a part of it.
    flat.put_bytes(0, padding);
    if !flat.is_empty() {
        bufs.push(flat.freeze());
    }
    Encoded { bufs, bytes, positions, last_crc: crc }
}
