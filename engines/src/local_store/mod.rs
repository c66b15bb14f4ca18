//! The local store: a deterministic function of the log (Delos, SOSP'21, section 3.2).
//!
//! The log is the write-ahead log, so nothing here is synced when an entry is acknowledged. [`Txn::commit`] publishes
//! one entry in memory. Later a checkpoint makes many entries durable in one redb transaction. Reads look at the open
//! delta, then at the frozen deltas, then at redb. Rows move through them in the same order.
//!
//! Invariants: data and cursor commit together (safety rule 8), in memory and on disk; a delta is frozen only between
//! two entries; at most [`FROZEN_MAX`] deltas are frozen. When the open delta is full as well, proposals wait
//! ([`StoreReader::is_behind`]).
//!
//! - [`LocalStore`] writes by means of a [`Txn`], [`StoreReader`] reads; both use the same deltas and database
//! - [`Checkpointer`]: the Worker that writes frozen deltas and defragments; [`paced_file`]: redb's file below it
//! - [`FoundStore`]: an open store to which nothing was written yet, so that it can be checked first; [`RowsAhead`]:
//!   reads its rows on another core; [`damage`]: redb's panics on a damaged file

mod backlog;
mod checkpoint;
mod checksum;
mod damage;
mod database;
mod defragment;
mod delta;
mod frozen_writer;
mod opening;
mod paced_file;
mod reader;
mod row_key;
mod rows_ahead;
mod shared;
mod store;
mod store_error;
mod txn;

pub use checkpoint::{Checkpointer, Defragmenter};
pub use damage::catches_panics;
pub use delta::{DELTA_AGE_MAX, DELTA_BYTES_MAX, FROZEN_MAX};
pub use frozen_writer::CheckpointStats;
pub use opening::{FoundStore, StoreExpected, VERIFIED_BYTES_MAX};
pub use reader::StoreReader;
pub use row_key::{RowKey, TableId, tables};
pub use rows_ahead::{Row, RowsAhead};
pub use store::LocalStore;
pub use store_error::StoreError;
pub use txn::Txn;
