//! The end of recovery: makes the state that recovery found durable in the files.
//!
//! Recovery reads the page cache, which may differ from the disk. Three things can be wrong:
//!
//! 1. A process ended between a change and its sync. The change is not on the disk yet.
//! 2. A sync failed. Linux then treats the pages as clean, and no later sync writes them until a process has written
//!    to them again.
//! 3. The last write was torn: it was a batch, or the first write of a segment. What is left of it is not part of the
//!    journal.
//!
//! The next batch names all batches before it as synced. So all this is put right here, before that batch is written.

use std::io;
use std::ops::Range;

use naxos_proto::seams::{Disk, OpenMode, is_full};

use crate::journal::found_segment::{FoundSegment, read_all};
use crate::journal::scan::{Scan, SegmentEnd, dirty_end};
use crate::journal::spare::{Spare, zero_range};
use crate::journal::{JOURNAL_DIR, segment_path};
use crate::open_error::OpenError;

/// If this file exists, the last segment has a torn tail, or had one that was being cut off.
const CUT_PATH: &str = "journal/cut";

/// What may lie after the last batch of the last segment.
pub(super) async fn open_tail(disk: &dyn Disk) -> Result<SegmentEnd, OpenError> {
    match disk.open(CUT_PATH, OpenMode::Existing).await {
        // An earlier start began to cut off a torn tail, and the result may not be durable.
        Ok(_) => Ok(SegmentEnd::BeingCut),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(SegmentEnd::Unfinished),
        Err(e) => Err(OpenError::io(CUT_PATH, e)),
    }
}

/// What recovery found that the files do not hold durably yet.
pub(crate) struct Unsettled {
    /// The segment that takes the next batch.
    pub(super) last: FoundSegment,
    pub(super) scan: Scan,
    /// The segments after `last`, which were never begun.
    pub(super) unused: Vec<FoundSegment>,
    /// The result of [`open_tail`].
    pub(super) tail: SegmentEnd,
}

impl Unsettled {
    /// Cuts off the bytes after the last batch, removes the unused segments except for one that serves as a spare, and
    /// makes everything that recovery found durable. Returns that spare.
    ///
    /// Except for the spare, segments that were never begun must be gone before the next batch is written. If another
    /// one stayed, a segment with a higher number would be begun later. Then the one left behind would look like a
    /// segment whose header or first batch is damaged.
    pub(crate) async fn settle(self, disk: &dyn Disk) -> Result<Option<Spare>, OpenError> {
        let Unsettled { last, scan, unused, tail } = self;
        let mut spare = None;
        for segment in unused {
            let fits = spare.is_none() && segment.bytes == last.bytes;
            if fits && dirty_end(&read_all(&segment).await?, 0) == 0 {
                spare = Some(Spare { number: segment.number, file: segment.file, len: segment.bytes });
            } else {
                let path = segment_path(segment.number);
                disk.remove(&path).await.map_err(|e| OpenError::io(path, e))?;
            }
        }
        // The process before may have renamed two files without a sync: the spare above, when it was ready, and the
        // last segment that was freed. This sync makes these renames durable too.
        disk.sync_dir(JOURNAL_DIR).await.map_err(|e| OpenError::io(JOURNAL_DIR, e))?;
        let torn = mark_torn_tail(disk, &last, &scan, tail).await?;
        let written = make_durable(&last, &scan, torn.clone().unwrap_or(scan.end..scan.end)).await;
        written.map_err(|e| OpenError::io(segment_path(last.number), e))?;
        if torn.is_some() {
            unmark(disk).await.map_err(|e| OpenError::io(CUT_PATH, e))?;
        }
        Ok(spare)
    }
}

/// The range that has to be zeroed, if any. Makes the mark, which is the file [`CUT_PATH`], durable before it returns.
///
/// The mark is needed because the sync of the zeros can fail. Then the zeros are in the page cache and the torn bytes
/// still on the disk, so the next start sees nothing to cut off. A start that finds the mark zeroes everything after
/// the last batch.
async fn mark_torn_tail(
    disk: &dyn Disk,
    last: &FoundSegment,
    scan: &Scan,
    tail: SegmentEnd,
) -> Result<Option<Range<u64>>, OpenError> {
    if tail == SegmentEnd::BeingCut {
        return Ok(Some(scan.end..last.bytes));
    }
    let io = |e| OpenError::io(CUT_PATH, e);
    if scan.dirty_end <= scan.end {
        return Ok(None);
    }
    tracing::warn!(
        file = segment_path(last.number),
        at = scan.end,
        bytes = scan.dirty_end - scan.end,
        "the last write of the journal is not whole: it is taken for one that was never acknowledged, and is cut off"
    );
    match disk.open(CUT_PATH, OpenMode::CreateNew).await {
        Ok(_) => disk.sync_dir(JOURNAL_DIR).await.map_err(io)?,
        // No room for the mark. The start goes on without it, because the mark matters only if the sync of the zeros
        // fails as well.
        Err(e) if is_full(&e) => {}
        Err(e) => return Err(io(e)),
    }
    Ok(Some(scan.end..scan.dirty_end))
}

/// Removes the mark. If a power cut brings it back, the only cost is that the zeros are written again.
async fn unmark(disk: &dyn Disk) -> io::Result<()> {
    match disk.remove(CUT_PATH).await {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Writes the last batch again, writes zeros over `torn`, and syncs.
///
/// Only the last batch can be missing on the disk, because a batch is begun only after the batch before was synced.
/// This also holds for the first batch of a segment. A segment's header is written together with its first batch.
async fn make_durable(last: &FoundSegment, scan: &Scan, torn: Range<u64>) -> io::Result<()> {
    let batch = scan.batches.last().expect("a segment in use has a batch");
    let from = if scan.batches.len() == 1 { 0 } else { batch.at };
    let index = |at: u64| usize::try_from(at).expect("a segment fits memory");
    let content = last.content.as_ref().expect("the last segment was read as a whole");
    last.file.write_at(from, &[content.slice(index(from)..index(scan.end))]).await?;
    zero_range(&last.file, torn).await
}
