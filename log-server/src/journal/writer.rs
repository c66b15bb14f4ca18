//! [`Journal`]: appends batches to the current segment. Owned by the committer.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::ids::StorageId;
use naxos_proto::seams::{Disk, File};

use crate::journal::batch::encode_batch;
use crate::journal::preamble::encode_preamble;
use crate::journal::record::{Draft, Kind};
use crate::journal::segment_header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::journal::spare::{Spare, prepare_segment};
use crate::journal::{BLOCK_BYTES, Place, PlaceKind, SegmentFiles, SegmentNumber};
use crate::unit::Catalog;

/// The segment that takes batches.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) number: SegmentNumber,
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
    /// Byte position of the next batch.
    pub(crate) at: u64,
    /// The crc that the next batch's first record is chained to.
    pub(crate) chain: u32,
    /// The segment's first block, which holds the header. It is written together with the first batch; `None` after
    /// that.
    pub(crate) header: Option<Bytes>,
}

impl Current {
    /// The segment `spare`, whose first batch will have the sequence `first_sequence`.
    pub(crate) fn fresh(spare: Spare, storage: StorageId, first_sequence: u64) -> Self {
        let Spare { number, file, len } = spare;
        let (header, chain) = SegmentHeader { number, storage, first_sequence, segment_bytes: len }.encode();
        let mut block = vec![0; usize::try_from(BLOCK_BYTES).expect("a block fits memory")];
        block[..SEGMENT_HEADER_BYTES].copy_from_slice(&header);
        Self { number, file, len, at: BLOCK_BYTES, chain, header: Some(block.into()) }
    }
}

/// The writing end of the journal.
pub(crate) struct Journal {
    storage: StorageId,
    files: Arc<SegmentFiles>,
    current: Current,
    sequence: u64,
}

impl Journal {
    pub(crate) fn new(storage: StorageId, files: Arc<SegmentFiles>, current: Current, sequence: u64) -> Self {
        files.insert(current.number, current.file.clone());
        Self { storage, files, current, sequence }
    }

    /// The segment that takes batches.
    pub(crate) fn segment(&self) -> SegmentNumber {
        self.current.number
    }

    /// How many batches were written, counted from the first one of the data directory, which has the number 1.
    pub(crate) fn batches(&self) -> u64 {
        self.sequence - 1
    }

    /// Bytes left in the current segment.
    pub(crate) fn room(&self) -> u64 {
        self.current.len - self.current.at
    }

    /// Length of the current segment in bytes.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.current.len
    }

    /// Goes on in `spare`. The first draft of the next batch must be the one that [`Self::preamble`] returns.
    pub(crate) fn roll(&mut self, spare: Spare) {
        assert!(spare.number > self.current.number, "segment numbers rise: {} after {}", spare.number, self.segment());
        self.current = Current::fresh(spare, self.storage, self.sequence);
        self.files.insert(self.current.number, self.current.file.clone());
    }

    /// The record with which a segment begins.
    pub(crate) fn preamble(catalog: &Catalog) -> Draft {
        Draft::new(Kind::Preamble, encode_preamble(catalog))
    }

    /// Writes `drafts` as one batch and returns the place of each. Nothing is durable before [`Self::sync`].
    pub(crate) async fn write(&mut self, drafts: &[Draft]) -> io::Result<Vec<Place>> {
        let seed = self.files.seed(self.current.number);
        let mut encoded = encode_batch(seed, self.current.chain, self.sequence, drafts);
        let at = self.current.at;
        assert!(encoded.bytes <= self.room(), "a batch of {} bytes in {} bytes of room", encoded.bytes, self.room());
        let from = match self.current.header.take() {
            Some(block) => {
                encoded.bufs.insert(0, block);
                0
            }
            None => at,
        };
        self.current.file.write_at(from, &encoded.bufs).await?;
        self.current.at += encoded.bytes;
        self.current.chain = encoded.last_crc;
        self.sequence += 1;
        let base = u32::try_from(at).expect("a segment is smaller than 4 GiB");
        let place = |(draft, distance): (&Draft, &u32)| Place {
            segment: self.current.number,
            at: base + distance,
            body_len: u32::try_from(draft.body.len()).expect("a record is smaller than a segment"),
            kind: if draft.kind == Kind::Junk { PlaceKind::Junk } else { PlaceKind::Cell },
        };
        Ok(drafts.iter().zip(&encoded.positions).map(place).collect())
    }

    /// Makes everything written durable. Must not be called again after an error.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        self.current.file.sync().await
    }
}

/// Makes the first segment of a new data directory: zeros, a header and an empty preamble. It is synced.
pub(crate) async fn create_first_segment(
    disk: &Arc<dyn Disk>,
    storage: StorageId,
    segment_bytes: u64,
) -> io::Result<()> {
    let spare =
        prepare_segment(disk.as_ref(), None, SegmentNumber::FIRST, segment_bytes, segment_bytes, async || true).await?;
    let files = Arc::new(SegmentFiles::new(disk.clone(), storage));
    let mut journal = Journal::new(storage, files, Current::fresh(spare, storage, 1), 1);
    journal.write(&[Journal::preamble(&Catalog::default())]).await?;
    journal.sync().await
}
