//! The serving side of a unit: the calls that any thread may make.
//!
//! - [`Roster`] and [`Published`]: the durable state of each loglet, its index and its recent cells, as the committer
//!   published them
//! - [`JournalReader`]: the Worker that reads cells from disk
//! - `follow`: the stream of committed cells; `tell`: the stream of a loglet's tail
//!
//! Invariant: everything visible here is durable. The only exception is the known tail, which is information from the
//! sequencer.

pub(crate) mod follow;
pub(crate) mod journal_reader;
mod published;
mod recent;
mod roster;
mod status;
pub(crate) mod tell;

pub(crate) use journal_reader::{JournalReader, JournalReads};
pub(crate) use published::{Planned, Published};
pub(crate) use recent::CACHED_CELL_BYTES;
pub(crate) use roster::Roster;
pub use status::DiskUsage;
pub(crate) use status::Status;
