//! The journal: the bytes of a storage unit on disk. One append-only sequence of batches for all loglets.
//!
//! Layout (little endian; byte tables in `docs/formats.md`):
//!
//! - segments `journal/%016x.seg`, numbered upwards, filled with zeros before use
//! - a segment: one 4 KiB block with the [segment header](segment_header), then batches, each from a 4 KiB boundary on
//! - a batch: one record of kind [`Kind::Batch`], which lists what follows and names the last synced batch, then the
//!   records
//! - a record: an 80-byte [header](record) and a body; its crc covers the segment's identity, header and body, and the
//!   header repeats the crc of the record before
//! - the first batch of a segment holds a [preamble] of the unit's metadata, so only the cells of older segments are
//!   still needed
//!
//! Invariant: one batch is one write and one sync, and a batch is begun only after the one before was synced. From
//! this follows what recovery may conclude:
//!
//! 1. If a valid batch follows a batch, the earlier one was durable. Whatever is wrong with it is damage.
//! 2. If something is wrong with the last batch, its write was torn, and it is cut off. The exception is a batch whose
//!    bytes show that it was written as a whole ([torn]): then the wrong bytes are damage, too.
//! 3. A start cleans up before the next batch is written ([settle]). It zeroes what it cuts off. It removes the
//!    segments that were never begun, but may keep one that is all zeros as a spare. It writes the last batch again and
//!    syncs everything. So every segment with a lower number than the current one was begun, and those with a higher
//!    number are spares.
//! 4. A segment's file is freed only when it holds no live cell and a newer segment has a synced preamble.

mod batch;
mod change_record;
mod files;
mod found_segment;
mod index;
mod preamble;
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
pub(crate) use files::SegmentFiles;
pub(crate) use index::{Index, Place, PlaceKind};
pub(crate) use preamble::preamble_bytes;
pub(crate) use record::{Draft, Kind};
pub use recovery::DamagedCell;
pub(crate) use recovery::{Recovered, recover};
pub(crate) use segment_header::{SegmentNumber, segment_path};
pub(crate) use spare::{For, Room, Spares};
pub(crate) use writer::{Journal, create_first_segment};

/// Batches start at multiples of this, so that no batch changes a page with bytes of an earlier batch. While a segment
/// is in use, only a start writes such pages again, with the same bytes.
pub(crate) const BLOCK_BYTES: u64 = 4_096;
/// The directory that holds the segments.
pub(crate) const JOURNAL_DIR: &str = "journal";
