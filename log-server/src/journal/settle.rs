//! The end of recovery: makes the files say for good what recovery found in them.
//!
//! Recovery reads the page cache, and not all of that need be on the disk: a process may have ended between a change
//! and its sync, or in a sync that failed. After the latter Linux takes the pages for clean, and no sync writes them
//! until somebody has written to them. Nor is everything that lies there part of the journal: the first write of a
//! segment may be torn. The batch that is written next names all before it as synced, so all this ends here, before that
//! batch.

use std::io;

use naxos_proto::seams::Disk;

use crate::journal::recovery::{Segment, read_all};
use crate::journal::scan::{Scan, dirty_end};
use crate::journal::spare::{Spare, zero_range};
use crate::journal::{JOURNAL_DIR, segment_path};
use crate::open_error::OpenError;

/// Cuts the bytes behind the batches in `scan` off the segment `last`, removes the segments in `unused`, which were never
/// begun, but for one that is a spare, and makes all that and everything that was found durable. The spare.
///
/// A segment that was never begun has to be gone before a batch is written: left there until somebody needs its room,
/// it lies below the next one that is begun, where it looks like a segment whose header or first batch is damaged.
pub(super) async fn settle(
    disk: &dyn Disk,
    last: &Segment,
    scan: &Scan,
    unused: Vec<Segment>,
) -> Result<Option<Spare>, OpenError> {
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
    make_durable(last, scan).await.map_err(|e| OpenError::io(segment_path(last.number), e))?;
    Ok(spare)
}

/// Writes the last batch again, and zeros over what is torn behind it, and syncs.
///
/// Only these can be on no disk: a batch is begun after the one before was synced, a segment after the last batch of the
/// one before. The header of a segment is written with its first batch.
async fn make_durable(last: &Segment, scan: &Scan) -> io::Result<()> {
    let batch = scan.batches.last().expect("a segment in use has a batch");
    let from = if scan.batches.len() == 1 { 0 } else { batch.at };
    let index = |at: u64| usize::try_from(at).expect("a segment fits memory");
    let content = last.content.as_ref().expect("the last segment was read as a whole");
    last.file.write_at(from, &[content.slice(index(from)..index(scan.end))]).await?;
    // An empty range is synced too.
    zero_range(&last.file, scan.end..scan.dirty_end).await
}
