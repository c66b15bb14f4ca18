//! [`SegmentFiles`]: the open files of the segments, shared by the committer and the cold reader.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::ids::StorageId;
use naxos_proto::seams::{Disk, File, OpenMode};
use parking_lot::Mutex;

use crate::journal::record::{HEADER_BYTES, Seed, decode_record};
use crate::journal::{Place, SegmentNumber, segment_path};

/// Records that lie close together are read with one call of at most this many bytes.
const READ_BYTES_MAX: u64 = 1 << 20;
/// Records lie close together if at most this many bytes lie between them. Those bytes are read, too.
const READ_GAP_BYTES_MAX: u64 = 16 << 10;

fn record_end(place: &Place) -> u64 {
    u64::from(place.at) + HEADER_BYTES as u64 + u64::from(place.body_len)
}

/// How many of `places`, counted from the first, one call reads.
fn neighbours(places: &[Place]) -> usize {
    let first = &places[0];
    let near = |pair: &&[Place]| {
        let (end, next) = (record_end(&pair[0]), &pair[1]);
        next.segment == first.segment
            && (end..=end + READ_GAP_BYTES_MAX).contains(&u64::from(next.at))
            && record_end(next) - u64::from(first.at) <= READ_BYTES_MAX
    };
    1 + places.windows(2).take_while(near).count()
}

/// Opens a segment when it is first used and keeps it open until it is freed.
pub(crate) struct SegmentFiles {
    disk: Arc<dyn Disk>,
    storage: StorageId,
    open: Mutex<BTreeMap<SegmentNumber, Arc<dyn File>>>,
}

impl SegmentFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>, storage: StorageId) -> Self {
        Self { disk, storage, open: Mutex::default() }
    }

    /// The start value of the crcs in segment `number`.
    pub(crate) fn seed(&self, number: SegmentNumber) -> Seed {
        Seed::new(self.storage, number)
    }

    /// Keeps a file that is already open.
    pub(crate) fn insert(&self, number: SegmentNumber, file: Arc<dyn File>) {
        self.open.lock().insert(number, file);
    }

    /// Forgets the file of a freed segment, because the file is about to be removed or to become a new segment. Readers
    /// that still hold the file can go on. If the file becomes a new segment, they find records whose crc fails.
    pub(crate) fn forget(&self, number: SegmentNumber) {
        self.open.lock().remove(&number);
    }

    /// The file of segment `number`.
    pub(crate) async fn get(&self, number: SegmentNumber) -> io::Result<Arc<dyn File>> {
        if let Some(file) = self.open.lock().get(&number) {
            return Ok(file.clone());
        }
        let file = self.disk.open(&segment_path(number), OpenMode::Existing).await?;
        self.insert(number, file.clone());
        Ok(file)
    }

    /// The bodies of the records at `places`; `None` where a record is damaged. Records close together are read with
    /// one call.
    pub(crate) async fn read(&self, places: &[Place]) -> io::Result<Vec<Option<Bytes>>> {
        let mut bodies = Vec::with_capacity(places.len());
        let mut left = places;
        while let Some(first) = left.first() {
            let count = neighbours(left);
            let (group, rest) = left.split_at(count);
            left = rest;
            let file = self.get(first.segment).await?;
            let end = record_end(&group[count - 1]);
            let len = usize::try_from(end - u64::from(first.at)).expect("a read is bounded");
            let bytes = file.read_at(u64::from(first.at), len).await?;
            let seed = self.seed(first.segment);
            for place in group {
                let from = (place.at - first.at) as usize;
                let record = bytes.slice(from..from + HEADER_BYTES + place.body_len as usize);
                // The body is copied, so that a caller who keeps one cell does not keep the whole megabyte of the read
                // in memory.
                let body = decode_record(seed, &record).map(|r| Bytes::copy_from_slice(&r.draft.body));
                bodies.push(body);
            }
        }
        Ok(bodies)
    }
}
