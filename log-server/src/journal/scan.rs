//! Reads one segment: which batches it holds, where they end and what is damaged.

use std::collections::BTreeSet;

use bytes::Bytes;
use naxos_proto::ids::{LogletId, Offset};

use crate::journal::BLOCK_BYTES;
use crate::journal::batch::Directory;
use crate::journal::record::{Draft, HEADER_BYTES, Kind, Record, Seed, claimed_bytes, decode_record};
use crate::journal::torn::may_be_torn;

/// The crc to which a batch is chained when a record of the batch before is damaged.
const UNKNOWN_CHAIN: u32 = 0;

/// Damage that recovery cannot repair, so that the start is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Byte position in the segment.
    pub(crate) at: u64,
    /// What should have been there.
    pub(crate) expected: &'static str,
}

/// One batch that the scan found.
#[derive(Debug)]
pub(crate) struct ScannedBatch {
    /// Byte position of the batch in the segment.
    pub(crate) at: u64,
    /// The whole records, each with its byte position in the segment.
    pub(crate) records: Vec<(u64, Draft)>,
    /// The cells and junk whose records are damaged.
    pub(crate) corrupt: Vec<(LogletId, Offset)>,
    /// Whether a metadata record is damaged.
    pub(crate) metadata_lost: bool,
    first_damaged: Option<Damaged>,
}

/// The first damaged record of a batch.
#[derive(Clone, Copy, Debug)]
struct Damaged {
    /// Byte position in the segment.
    at: u64,
    /// Whether it is the last record of the batch.
    is_last: bool,
}

/// The result of scanning one segment.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) batches: Vec<ScannedBatch>,
    /// Byte position for the next batch.
    pub(crate) end: u64,
    /// One past the last byte at or after `end` that is not zero. Zero if all these bytes are zero.
    pub(crate) dirty_end: u64,
    /// The crc that the next record is chained to.
    pub(crate) chain: u32,
    /// Sequence of the next batch.
    pub(crate) sequence: u64,
}

/// What may lie after the last whole batch of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentEnd {
    /// Nothing but zeros, because a later segment was begun.
    Zeros,
    /// A batch whose write was not finished.
    Unfinished,
    /// A torn batch that an earlier start was cutting off: some of its bytes are zeroed already.
    BeingCut,
}

struct Head {
    directory: Directory,
    crc: u32,
    prev_crc: u32,
    bytes: usize,
}

fn batch_head(seed: Seed, bytes: &Bytes, at: u64) -> Option<Head> {
    let from = usize::try_from(at).ok()?;
    let record = decode_record(seed, &bytes.slice(from.min(bytes.len())..))?;
    let Record { draft, crc, prev_crc } = record;
    if draft.kind != Kind::Batch {
        return None;
    }
    let head_bytes = draft.bytes();
    let directory = Directory::decode(draft.body)?;
    let fits = directory.batch_bytes <= (bytes.len() as u64).saturating_sub(at);
    fits.then_some(Head { directory, crc, prev_crc, bytes: head_bytes })
}

/// Whether a batch that was begun after the sync of batch `sequence` lies at or after `from`.
fn later_batch_exists(seed: Seed, bytes: &Bytes, from: u64, sequence: u64) -> bool {
    (from..bytes.len() as u64)
        .step_by(usize::try_from(BLOCK_BYTES).expect("a block is small"))
        .any(|at| batch_head(seed, bytes, at).is_some_and(|h| h.directory.last_synced >= sequence))
}

/// Whether the segment holds another batch after its first. If so, the segment was in use, whatever its header says.
pub(crate) fn second_batch_exists(seed: Seed, bytes: &Bytes) -> bool {
    later_batch_exists(seed, bytes, 2 * BLOCK_BYTES, 0)
}

/// Reads the records of the batch at `at`. Also returns the crc of the last record if none is damaged.
fn read_batch(seed: Seed, bytes: &Bytes, at: u64, head: &Head) -> (ScannedBatch, Option<u32>) {
    let batch_end = at + head.directory.batch_bytes;
    let mut missing: BTreeSet<(Kind, LogletId, Offset)> = BTreeSet::new();
    let mut expected = 0_u64;
    for e in &head.directory.entries {
        expected += u64::from(e.count);
        // Bounds the work, even if a directory whose crc matches counts more records than fit its batch.
        let room = head.directory.batch_bytes / HEADER_BYTES as u64;
        let count = u64::from(e.count).min(room);
        missing.extend((0..count).map(|i| (e.kind, e.loglet, e.first.plus(i))));
    }
    let (records, corrupt) = (Vec::new(), Vec::new());
    let mut batch = ScannedBatch { at, records, corrupt, metadata_lost: false, first_damaged: None };
    let mut chain = Some(head.crc);
    let mut pos = at + head.bytes as u64;
    let mut seen = 0_u64;
    while seen < expected && pos < batch_end {
        let from = usize::try_from(pos).expect("a segment fits memory");
        let rest = bytes.slice(from..usize::try_from(batch_end).expect("a segment fits memory"));
        seen += 1;
        match decode_record(seed, &rest) {
            Some(record) if chain.is_none_or(|c| c == record.prev_crc) => {
                chain = Some(record.crc);
                missing.remove(&(record.draft.kind, record.draft.loglet, record.draft.offset));
                let next = pos + record.draft.bytes() as u64;
                batch.records.push((pos, record.draft));
                pos = next;
            }
            _ => {
                // The claimed length may be damaged too. Then the bytes found there do not decode, and the rest of
                // this batch is lost.
                chain = None;
                batch.first_damaged.get_or_insert(Damaged { at: pos, is_last: seen == expected });
                let Some(claimed) = claimed_bytes(&rest) else { break };
                pos += claimed as u64;
            }
        }
    }
    batch.metadata_lost = missing.iter().any(|(kind, ..)| !kind.is_cell());
    batch.corrupt = missing.iter().filter(|(kind, ..)| kind.is_cell()).map(|(_, id, at)| (*id, *at)).collect();
    let whole = seen == expected && missing.is_empty() && batch.records.len() as u64 == expected;
    (batch, chain.filter(|_| whole))
}

/// One past the last byte at or after `from` that is not zero; zero if all bytes from `from` on are zero. Goes block by
/// block, because comparing memory is much faster than looking at single bytes.
pub(crate) fn dirty_end(bytes: &[u8], from: usize) -> u64 {
    const BLOCK: usize = BLOCK_BYTES as usize;
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let mut end = bytes.len();
    while end > from {
        let start = end.saturating_sub(BLOCK).max(from);
        if bytes[start..end] != ZEROS[..end - start] {
            let last = bytes[start..end].iter().rposition(|b| *b != 0);
            return last.map_or(0, |i| (start + i + 1) as u64);
        }
        end = start;
    }
    0
}

/// Reads the batches of a segment. Its header has crc `chain` and names `sequence` as the first batch.
pub(crate) fn scan_segment(
    seed: Seed,
    bytes: &Bytes,
    chain: u32,
    sequence: u64,
    tail: SegmentEnd,
) -> Result<Scan, Damage> {
    let mut scan = Scan { batches: Vec::new(), end: BLOCK_BYTES, dirty_end: 0, chain, sequence };
    // `None` after a batch with a damaged record.
    let mut expected_chain = Some(chain);
    loop {
        let at = scan.end;
        let fits = |h: &Head| {
            h.directory.sequence == scan.sequence
                && h.directory.last_synced + 1 == h.directory.sequence
                // An earlier start may have found damage in the batch before, and chained this one to `UNKNOWN_CHAIN`.
                // If the damage was a read error, it may be gone now. So this batch fits even if the one before is
                // whole.
                && (h.prev_crc == UNKNOWN_CHAIN || expected_chain.is_none_or(|c| c == h.prev_crc))
        };
        // Records before the first damaged one are whole, so the position of the damaged one is certain. So its bytes
        // can show whether its write was torn.
        let is_torn =
            |first: Damaged| tail == SegmentEnd::BeingCut || may_be_torn(seed, bytes, first.at, first.is_last);
        let Some(head) = batch_head(seed, bytes, at).filter(fits) else {
            if later_batch_exists(seed, bytes, at + BLOCK_BYTES, scan.sequence) {
                return Err(Damage { at, expected: "the header of a batch that was synced" });
            }
            if tail != SegmentEnd::Zeros && !is_torn(Damaged { at, is_last: false }) {
                return Err(Damage { at, expected: "the directory of a batch, which was written as a whole" });
            }
            break;
        };
        let (batch, last_crc) = read_batch(seed, bytes, at, &head);
        let next = at + head.directory.batch_bytes;
        let is_newest = || tail != SegmentEnd::Zeros && !later_batch_exists(seed, bytes, next, scan.sequence);
        if last_crc.is_none() && is_newest() && batch.first_damaged.is_none_or(is_torn) {
            break;
        }
        scan.batches.push(batch);
        scan.end = next;
        scan.sequence += 1;
        expected_chain = last_crc;
        scan.chain = last_crc.unwrap_or(UNKNOWN_CHAIN);
    }
    let end = usize::try_from(scan.end).map_or(bytes.len(), |e| e.min(bytes.len()));
    scan.dirty_end = dirty_end(bytes, end);
    if tail == SegmentEnd::Zeros && scan.dirty_end > scan.end {
        return Err(Damage { at: scan.end, expected: "zeros after the last batch, or a whole batch" });
    }
    Ok(scan)
}
