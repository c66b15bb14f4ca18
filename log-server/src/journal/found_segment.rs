//! [`FoundSegment`]: a segment file as a starting process finds it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::ids::StorageId;
use naxos_proto::seams::{Disk, File, OpenMode};

use crate::journal::segment_header::{BadHeader, SegmentHeader, VERSION};
use crate::journal::{BLOCK_BYTES, JOURNAL_DIR, SegmentNumber, segment_path};
use crate::open_error::OpenError;

/// A segment file as a starting process finds it.
pub(super) struct FoundSegment {
    pub(super) number: SegmentNumber,
    pub(super) file: Arc<dyn File>,
    pub(super) bytes: u64,
    /// The header and its crc. `None` if the header does not decode.
    pub(super) header: Option<(SegmentHeader, u32)>,
    /// The content of the whole file. `Some` if it was read already and may be needed again.
    pub(super) content: Option<Bytes>,
}

/// The error for a segment that is damaged at byte `at`.
pub(super) fn damaged(number: SegmentNumber, at: u64, expected: &'static str) -> OpenError {
    OpenError::Damaged { file: segment_path(number), at, expected }
}

/// Reads a segment's header. `None` if the header does not decode. That is no error yet: the first write of one of the
/// last segments may have been torn or never begun. The caller finds out whether the header is damaged.
async fn read_header(
    number: SegmentNumber,
    storage: StorageId,
    file: &Arc<dyn File>,
    len: u64,
) -> Result<Option<(SegmentHeader, u32)>, OpenError> {
    let block = file.read_at(0, usize::try_from(len.min(BLOCK_BYTES)).expect("a block fits memory")).await;
    let block = block.map_err(|e| OpenError::io(segment_path(number), e))?;
    match SegmentHeader::decode(&block) {
        Err(BadHeader::Version(found)) => {
            Err(OpenError::SegmentVersion { file: segment_path(number), found, known: VERSION })
        }
        Err(BadHeader::Zero | BadHeader::Damaged) => Ok(None),
        Ok((header, _)) if header.number != number => {
            Err(damaged(number, 16, "the segment number that the file is named after"))
        }
        Ok((header, _)) if header.storage != storage => {
            Err(damaged(number, 24, "the storage id of this data directory"))
        }
        Ok((header, _)) if header.segment_bytes != len => {
            Err(damaged(number, len.min(header.segment_bytes), "as many bytes as its header says"))
        }
        Ok(header) => Ok(Some(header)),
    }
}

/// All segments of the journal, in the order of their names.
pub(super) async fn list_segments(disk: &dyn Disk, storage: StorageId) -> Result<Vec<FoundSegment>, OpenError> {
    let names = disk.list(JOURNAL_DIR).await.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => OpenError::Damaged {
            file: JOURNAL_DIR.to_owned(),
            at: 0,
            expected: "the folder of the journal's segments, which is missing",
        },
        _ => OpenError::io(JOURNAL_DIR, e),
    })?;
    let mut segments = Vec::new();
    for number in names.iter().filter_map(|n| SegmentNumber::from_name(n)) {
        let path = segment_path(number);
        let opened = disk.open(&path, OpenMode::Existing).await;
        let file = opened.map_err(|e| OpenError::io(path.clone(), e))?;
        let bytes = file.len().await.map_err(|e| OpenError::io(path, e))?;
        let header = read_header(number, storage, &file, bytes).await?;
        segments.push(FoundSegment { number, file, bytes, header, content: None });
    }
    Ok(segments)
}

/// Reads the whole file, unless it was read before.
pub(super) async fn read_all(segment: &FoundSegment) -> Result<Bytes, OpenError> {
    if let Some(content) = &segment.content {
        return Ok(content.clone());
    }
    let len = usize::try_from(segment.bytes).map_err(|_| damaged(segment.number, 0, "a file that fits memory"))?;
    let read = segment.file.read_at(0, len).await;
    read.map_err(|e: io::Error| OpenError::io(segment_path(segment.number), e))
}
