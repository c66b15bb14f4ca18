//! The end of recovery: makes the files say for good what recovery found in them.
//!
//! Recovery reads the page cache, and not all of that need be on the disk: a process may have ended between a change
//! and its sync. Nor is everything that lies there part of the journal: the first write of a segment may be torn. The
//! batch that is written next names all before it as synced, so both end here, before that batch.

use std::ops::Range;

use naxos_proto::seams::Disk;

use crate::journal::recovery::{Segment, read_all};
use crate::journal::scan::dirty_end;
use crate::journal::spare::{Spare, zero_range};
use crate::journal::{JOURNAL_DIR, segment_path};
use crate::open_error::OpenError;

/// Cuts the bytes `torn` off the segment `last`, removes the segments in `unused`, which were never begun, but for one
/// that is a spare, and makes all that and everything that was found durable. The spare.
///
/// A segment that was never begun has to be gone before a batch is written: left there until somebody needs its room,
/// it lies below the next one that is begun, where it looks like a segment whose header or first batch is damaged.
pub(super) async fn settle(
    disk: &dyn Disk,
    last: &Segment,
    torn: Range<u64>,
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
    // Only the last segment can have bytes that are not synced: it was begun after the one before was synced. An empty
    // range is synced too.
    zero_range(&last.file, torn).await.map_err(|e| OpenError::io(segment_path(last.number), e))?;
    Ok(spare)
}
