//! The end of recovery: makes the files say for good what recovery found in them.
//!
//! Recovery reads the page cache, and not all of that need be on the disk: a process may have ended between a change
//! and its sync, or in a sync that failed. After the latter Linux takes the pages for clean, and no sync writes them
//! until somebody has written to them. Nor is everything that lies there part of the journal: the first write of a
//! segment may be torn. The batch that is written next names all before it as synced, so all this ends here, before that
//! batch.

use std::io;
use std::ops::Range;

use naxos_proto::seams::{Disk, OpenMode, is_full};

use crate::journal::found_segment::{FoundSegment, read_all};
use crate::journal::scan::{Scan, Tail, dirty_end};
use crate::journal::spare::{Spare, zero_range};
use crate::journal::{JOURNAL_DIR, segment_path};
use crate::open_error::OpenError;

/// Its presence says that the last segment has a torn tail, or had one that is being cut.
const CUT_PATH: &str = "journal/cut";

/// What may lie behind the last batch of the last segment.
pub(super) async fn open_tail(disk: &dyn Disk) -> Result<Tail, OpenError> {
    match disk.open(CUT_PATH, OpenMode::Existing).await {
        // A cut was begun and is not known to be durable.
        Ok(_) => Ok(Tail::BeingCut),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Tail::Unfinished),
        Err(e) => Err(OpenError::io(CUT_PATH, e)),
    }
}

/// What recovery found and the files do not say for good yet.
pub(crate) struct Unsettled {
    /// The segment to go on in.
    pub(super) last: FoundSegment,
    pub(super) scan: Scan,
    /// Segments behind it, which were never begun.
    pub(super) unused: Vec<FoundSegment>,
    /// As [`open_tail`] said.
    pub(super) tail: Tail,
}

impl Unsettled {
    /// Cuts the bytes behind the last batch, removes the unused segments but for one that is a spare, and makes all that and
    /// everything that was found durable. The spare.
    ///
    /// A segment that was never begun has to be gone before a batch is written: left there until somebody needs its room,
    /// it lies below the next one that is begun, where it looks like a segment whose header or first batch is damaged.
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
        // Also for the names that the process before gave: of the spare above, and of the segment that it freed last.
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

/// What has to be zeroed, if anything, once a mark says so durably. When the sync of the zeros fails, they are in the
/// page cache and the remains on the disk: nobody sees any more what there is to cut, and where the mark is found, all
/// behind the last batch is.
async fn mark_torn_tail(
    disk: &dyn Disk,
    last: &FoundSegment,
    scan: &Scan,
    tail: Tail,
) -> Result<Option<Range<u64>>, OpenError> {
    if tail == Tail::BeingCut {
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
        // No room for it: that is no reason not to start, and the mark only matters if the sync fails too.
        Err(e) if is_full(&e) => {}
        Err(e) => return Err(io(e)),
    }
    Ok(Some(scan.end..scan.dirty_end))
}

/// Takes the mark away. One that comes back with a power cut costs the zeros again.
async fn unmark(disk: &dyn Disk) -> io::Result<()> {
    match disk.remove(CUT_PATH).await {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Writes the last batch again, and zeros over `torn`, and syncs.
///
/// Of the batches only that one can be on no disk: a batch is begun after the one before was synced, a segment after the
/// last batch of the one before. The header of a segment is written with its first batch.
async fn make_durable(last: &FoundSegment, scan: &Scan, torn: Range<u64>) -> io::Result<()> {
    let batch = scan.batches.last().expect("a segment in use has a batch");
    let from = if scan.batches.len() == 1 { 0 } else { batch.at };
    let index = |at: u64| usize::try_from(at).expect("a segment fits memory");
    let content = last.content.as_ref().expect("the last segment was read as a whole");
    last.file.write_at(from, &[content.slice(index(from)..index(scan.end))]).await?;
    zero_range(&last.file, torn).await
}
