//! Recovery: rebuilds the unit's state from the files of the journal.
//!
//! Metadata counts only from the newest preamble on; cells count in every segment. A damaged cell is noted at its
//! offset and answers `Corrupt`. The start is refused if metadata that still counts is damaged.

use std::collections::BTreeMap;
use std::sync::Arc;

use naxos_proto::ids::{LogletId, Offset, StorageId};
use naxos_proto::seams::Disk;

use crate::journal::change_record::change_of;
use crate::journal::found_segment::{FoundSegment, damaged, list_segments, read_all};
use crate::journal::preamble::decode_preamble;
use crate::journal::record::{Draft, Kind, Seed};
use crate::journal::scan::{Damage, Scan, SegmentEnd, scan_segment, second_batch_exists};
use crate::journal::segment_header::SegmentHeader;
use crate::journal::settle::{Unsettled, open_tail};
use crate::journal::writer::Current;
use crate::journal::{BLOCK_BYTES, Index, JOURNAL_DIR, Place, PlaceKind, SegmentFiles, SegmentNumber, segment_path};
use crate::open_error::OpenError;
use crate::unit::Catalog;

/// The unit's state, as the journal tells it.
pub(crate) struct Recovered {
    pub(crate) catalog: Catalog,
    pub(crate) indexes: BTreeMap<LogletId, Index>,
    /// The segment that takes the next batch.
    pub(crate) current: Current,
    /// Sequence of the next batch.
    pub(crate) sequence: u64,
    /// Number of live cells in each used segment.
    pub(crate) live: BTreeMap<SegmentNumber, u64>,
    /// The part of this state that the files may not hold durably yet.
    pub(crate) unsettled: Unsettled,
    /// The number for the next segment, above every number in use.
    pub(crate) next_number: SegmentNumber,
    /// Damaged cells that were found.
    pub(crate) damaged_cells: Vec<DamagedCell>,
}

/// A cell that is not trimmed and whose record is damaged. It answers `Corrupt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedCell {
    /// The loglet of the cell.
    pub loglet: LogletId,
    /// The offset of the cell.
    pub offset: Offset,
    segment: SegmentNumber,
    /// Byte position of the cell's batch in the segment.
    batch_at: u64,
}

impl DamagedCell {
    /// The error with which a node ends its start if it needs the cell and no other storage unit can have a copy of it.
    pub fn refusal(&self) -> OpenError {
        damaged(self.segment, self.batch_at, "a batch whose records are whole, since no other copy of its cells exists")
    }
}

/// Reads the journal. Nothing is written before [`Unsettled::settle`] is called.
pub(crate) async fn recover(
    disk: &Arc<dyn Disk>,
    storage: StorageId,
    files: &SegmentFiles,
) -> Result<Recovered, OpenError> {
    let segments = list_segments(disk.as_ref(), storage).await?;
    let last_tail = open_tail(disk.as_ref()).await?;
    let (mut used, unused) = split_used(segments, storage, last_tail).await?;
    let next_number = used.iter().chain(&unused).map(|s| s.number).max().map_or(SegmentNumber::FIRST, |n| n.next());
    let mut fold = Fold::default();
    let mut last = None;
    for (i, segment) in used.iter().enumerate() {
        let is_last = i + 1 == used.len();
        let (header, crc) = segment.header.expect("used segments have a header");
        let bytes = read_all(segment).await?;
        let seed = Seed::new(storage, segment.number);
        let tail = if is_last { last_tail } else { SegmentEnd::Zeros };
        let scan = scan_segment(seed, &bytes, crc, header.first_sequence, tail)
            .map_err(|Damage { at, expected }| damaged(segment.number, at, expected))?;
        check_sequence(&used, i, &scan)?;
        fold.segment(segment.number, &scan, is_last)?;
        files.insert(segment.number, segment.file.clone());
        last = Some(scan);
    }
    let (Some(segment), Some(scan)) = (used.pop(), last) else {
        return Err(OpenError::Damaged {
            file: JOURNAL_DIR.to_owned(),
            at: 0,
            expected: "at least one segment with a whole header and preamble",
        });
    };
    let current = Current {
        number: segment.number,
        file: segment.file.clone(),
        len: segment.bytes,
        at: scan.end,
        chain: scan.chain,
        header: None,
    };
    let unsettled = Unsettled { last: segment, scan, unused, tail: last_tail };
    Ok(fold.finish(current, unsettled, next_number))
}

/// Splits the segments into those that are in use, because their first batch was written, and those after them that
/// were never begun.
async fn split_used(
    segments: Vec<FoundSegment>,
    storage: StorageId,
    tail: SegmentEnd,
) -> Result<(Vec<FoundSegment>, Vec<FoundSegment>), OpenError> {
    let mut used = segments;
    let mut unused = Vec::new();
    while let Some(last) = used.last_mut() {
        let seed = Seed::new(storage, last.number);
        let bytes = read_all(last).await?;
        last.content = Some(bytes.clone());
        let is_begun = |(header, crc): (SegmentHeader, u32)| {
            // Damage shows that a batch was written, so the segment was begun. `recover` scans a begun segment again
            // and reports the damage.
            let scan = scan_segment(seed, &bytes, crc, header.first_sequence, tail);
            scan.map_or(true, |s| !s.batches.is_empty())
        };
        match last.header {
            Some(header) if is_begun(header) => break,
            Some(_) => {}
            None => {
                let Some(block) = bytes.get(..BLOCK_BYTES as usize) else {
                    let expected = "a whole segment, because a file gets such a name only when it is whole";
                    return Err(damaged(last.number, last.bytes, expected));
                };
                let (number, segment_bytes) = (last.number, last.bytes);
                let written = SegmentHeader { number, storage, first_sequence: 0, segment_bytes };
                // The header does not decode. It is damaged, and not torn, in three cases: the block has bytes that a
                // torn first write does not leave, or the segment has a second batch, or the header has one wrong bit
                // and a first batch follows it.
                let is_used = !written.may_have_been_torn_to(block)
                    || second_batch_exists(seed, &bytes)
                    || SegmentHeader::but_for_one_bit(block).is_some_and(is_begun);
                if is_used {
                    return Err(damaged(last.number, 0, "the header of a segment that is in use"));
                }
            }
        }
        unused.extend(used.pop());
    }
    unused.reverse();
    match used.iter().find(|s| s.header.is_none()) {
        Some(bad) => Err(damaged(bad.number, 0, "the header of a segment that is in use")),
        None => Ok((used, unused)),
    }
}

/// Checks that no batch is missing at the end of a segment: the next segment's header names the sequence of its first
/// batch.
fn check_sequence(used: &[FoundSegment], i: usize, scan: &Scan) -> Result<(), OpenError> {
    let Some(next) = used.get(i + 1).filter(|n| n.number == used[i].number.next()) else { return Ok(()) };
    let first = next.header.expect("used segments have a header").0.first_sequence;
    if first == scan.sequence {
        return Ok(());
    }
    Err(damaged(used[i].number, scan.end, "the batches up to the first one of the next segment"))
}

/// Folds the segments, oldest first, into the unit's state.
#[derive(Default)]
struct Fold {
    catalog: Catalog,
    indexes: BTreeMap<LogletId, Index>,
    used: Vec<SegmentNumber>,
}

impl Fold {
    fn segment(&mut self, number: SegmentNumber, scan: &Scan, is_last: bool) -> Result<(), OpenError> {
        self.used.push(number);
        for (i, batch) in scan.batches.iter().enumerate() {
            let has_preamble = batch.records.first().is_some_and(|(_, d)| d.kind == Kind::Preamble);
            let lost = batch.metadata_lost || (i == 0 && !has_preamble);
            // Lost metadata in an older segment does not matter, because the newest preamble repeats it.
            if lost && is_last {
                return Err(damaged(number, batch.at, "whole metadata records in this batch"));
            }
            for (at, draft) in &batch.records {
                self.record(number, *at, draft)?;
            }
            for (id, offset) in &batch.corrupt {
                let at = u32::try_from(batch.at).map_err(|_| damaged(number, batch.at, "a batch below 4 GiB"))?;
                tracing::error!(
                    file = segment_path(number),
                    batch_at = batch.at,
                    loglet = %id,
                    %offset,
                    "a cell of the journal is damaged: expected a record whose checksum holds"
                );
                self.cell(*id, *offset, Place { segment: number, at, body_len: 0, kind: PlaceKind::Corrupt });
            }
        }
        Ok(())
    }

    fn record(&mut self, number: SegmentNumber, at: u64, draft: &Draft) -> Result<(), OpenError> {
        match draft.kind {
            Kind::Preamble => {
                self.catalog = decode_preamble(draft.body.clone()).map_err(|source| OpenError::Preamble {
                    file: segment_path(number),
                    at,
                    source,
                })?;
            }
            Kind::Cell | Kind::NextCell | Kind::Junk => {
                let kind = if draft.kind.has_value() { PlaceKind::Cell } else { PlaceKind::Junk };
                let at = u32::try_from(at).map_err(|_| damaged(number, at, "a record below 4 GiB"))?;
                let body_len = u32::try_from(draft.body.len()).expect("it was a u32 on disk");
                self.cell(draft.loglet, draft.offset, Place { segment: number, at, body_len, kind });
                if let Some(loglet) = self.catalog.loglets.get_mut(&draft.loglet) {
                    loglet.raise_known_tail(draft.known_tail);
                }
            }
            _ => match change_of(draft) {
                Some(change) => self.catalog.apply(&change),
                None => return Err(damaged(number, at, "a metadata record that this build understands")),
            },
        }
        Ok(())
    }

    fn cell(&mut self, id: LogletId, at: Offset, place: Place) {
        self.indexes.entry(id).or_default().insert(at, place);
        if let Some(loglet) = self.catalog.loglets.get_mut(&id) {
            loglet.tail = loglet.tail.max(at.next());
        }
    }

    fn finish(mut self, current: Current, unsettled: Unsettled, next_number: SegmentNumber) -> Recovered {
        let sequence = unsettled.scan.sequence;
        let mut live: BTreeMap<SegmentNumber, u64> = self.used.iter().map(|n| (*n, 0)).collect();
        let mut damaged_cells = Vec::new();
        self.indexes.retain(|id, _| self.catalog.loglets.contains_key(id));
        for (id, loglet) in &mut self.catalog.loglets {
            let index = self.indexes.entry(*id).or_default();
            index.trim(loglet.trim_point, |_| ());
            for (at, place) in index.iter() {
                loglet.written.insert(at);
                *live.entry(place.segment).or_default() += 1;
                if place.kind == PlaceKind::Corrupt {
                    let (segment, batch_at) = (place.segment, place.at.into());
                    damaged_cells.push(DamagedCell { loglet: *id, offset: at, segment, batch_at });
                }
            }
        }
        let Fold { catalog, indexes, .. } = self;
        Recovered { catalog, indexes, current, sequence, live, unsettled, next_number, damaged_cells }
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
