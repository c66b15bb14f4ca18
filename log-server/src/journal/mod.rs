//! The journal: the bytes of a storage unit on disk. One append-only sequence of batches for all loglets.
//!
//! Layout (little endian; byte tables in `docs/formats.md`):
//!
//! - segments `journal/%016x.seg`, numbered upwards without reuse, filled with zeros before use
//! - a segment: one 4 KiB block with the [segment header](segment_header), then batches, each from a 4 KiB boundary on
//! - a batch: one record of kind [`Kind::Batch`], which lists what follows and names the last synced batch, then records
//! - a record: an 80-byte [header](record) and a body; its crc covers the segment's identity, header and body, and the
//!   header repeats the crc of the record before
//! - the first batch of a segment holds a [checkpoint] of the unit's metadata, so older segments count only for cells
//!
//! Invariants: one batch is one write and one sync, and a batch is begun only after the one before was synced. Hence a
//! batch that a valid later one follows was durable: what is wrong with it is damage; what is wrong with the last one
//! is a torn write, and it is cut, unless it shows that it was written as a whole ([torn]). The cut tail is
//! zeroed, a segment that was never begun is removed, the last batch is written again, and all that is synced before
//! the next batch is written ([settle]). So behind a segment that was begun none lies that was not, but for spares. A
//! segment's file is freed only when no live cell is in it and a newer segment has a synced checkpoint.

mod batch;
mod change_record;
mod checkpoint;
mod files;
mod found_segment;
mod index;
mod record;
mod recovery;
mod scan;
mod segment_header;
mod settle;
mod spare;
mod torn;
mod writer;

pub(crate) use batch::{RECORD_OVERHEAD_BYTES, batch_bytes_bound};
pub(crate) use change_record::change_draft;
pub(crate) use checkpoint::checkpoint_bytes;
pub(crate) use files::SegmentFiles;
pub(crate) use index::{Index, Place, PlaceKind};
pub(crate) use record::{Draft, Kind};
pub use recovery::DamagedCell;
pub(crate) use recovery::{Recovered, recover};
pub(crate) use segment_header::{SegmentNumber, segment_path};
pub(crate) use spare::{For, Room, Spares};
pub(crate) use writer::{Journal, create_first_segment};

/// Batches start on multiples of this: no synced page is ever written again, but by a start with the same bytes.
pub(crate) const BLOCK_BYTES: u64 = 4_096;
/// The directory of the segments.
pub(crate) const JOURNAL_DIR: &str = "journal";
