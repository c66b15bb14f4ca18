//! The local store: a deterministic function of the log (Delos, SOSP'21, section 3.2).
//!
//! The log is the write-ahead log, so nothing here syncs when an entry is acknowledged. [`Txn::commit`] publishes one
//! entry in memory; a checkpoint makes many durable in one redb transaction, behind. Reads look at the open delta, the
//! frozen ones and redb, in that order, which is also the order in which rows move.
//!
//! Invariants: data and cursor commit together (safety rule 8), in memory and on disk; a delta is frozen only between
//! two entries; at most [`FROZEN_MAX`] deltas are frozen, and beyond that proposals wait ([`StoreReader::is_behind`]).
//!
//! - [`LocalStore`] writes by way of a [`Txn`], [`StoreReader`] reads; both over the same deltas and database
//! - [`Checkpointer`]: the Worker that writes frozen deltas and defragments; [`paced_file`]: redb's file below it
//! - [`FoundStore`]: a store that was opened and is looked at before anything is written; [`RowsAhead`]: reads its rows on
//!   another core; [`damage`]: what redb meets in a damaged file

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
mod txn;

pub use checkpoint::{Checkpointer, Defragmenter};
pub use damage::catches_panics;
pub use database::StoreError;
pub use delta::{DELTA_AGE_MAX, DELTA_BYTES_MAX, FROZEN_MAX};
pub use frozen_writer::CheckpointStats;
pub use opening::{FoundStore, StoreExpected, VERIFIED_BYTES_MAX};
pub use reader::StoreReader;
pub use row_key::{RowKey, TableId, tables};
pub use rows_ahead::{Row, RowsAhead};
pub use store::LocalStore;
pub use txn::Txn;
