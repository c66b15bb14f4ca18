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
//! - [`Checkpointer`]: the Worker that writes frozen deltas, and copies the file: to defragment it, or for a snapshot that
//!   other nodes read; [`paced_file`]: the file that redb reads and writes
//! - `marks`: the running checksum at fixed positions, by which replicas compare their states. A store that differs from
//!   the others carries a note of that ([`StoreReader::note_differs`]), until it becomes the only store there is
//! - [`install_snapshot`]: puts the snapshot of another node in the place of the file
//! - [`FixedRows`]: all rows at one position, for a backup; [`MadeStore`]: a store that is made from given rows
//! - [`FoundStore`]: an open store to which nothing was written yet, so that it can be checked first; [`RowsAhead`]:
//!   reads its rows on another core; [`damage`]: redb's panics on a damaged file

mod backlog;
mod checkpoint;
mod checksum;
mod copy;
mod damage;
mod database;
mod defragment;
mod delta;
mod fixed_rows;
mod frozen_writer;
mod install;
mod made_store;
mod marks;
mod open_file;
mod opening;
mod paced_file;
mod reader;
mod row_key;
mod rows_ahead;
mod shared;
mod snapshot;
mod store;
mod store_error;
mod txn;

pub use checkpoint::{Checkpointer, Defragmenter, Snapshotter};
pub use damage::catches_panics;
pub use delta::{DELTA_AGE_MAX, DELTA_BYTES_MAX, FROZEN_MAX};
pub use fixed_rows::FixedRows;
pub use frozen_writer::CheckpointStats;
pub use install::install_snapshot;
pub use made_store::MadeStore;
pub use marks::{MARK_EVERY, MARKS_MAX, SPARSE_EVERY};
pub use open_file::OpenFile;
pub use opening::{FoundStore, StoreExpected, VERIFIED_BYTES_MAX};
pub use reader::StoreReader;
pub use row_key::{RowKey, TableId, tables};
pub use rows_ahead::{Row, RowsAhead};
pub use snapshot::{SNAPSHOT_FILE, SnapshotFile};
pub use store::LocalStore;
pub use store_error::{FILE as STORE_FILE, STORE_FORMAT, StoreError};
pub use txn::Txn;
