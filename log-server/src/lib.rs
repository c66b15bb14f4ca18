//! The storage unit and the MetaStore replica of one data directory.
//!
//! - [`LogServer`]: opens a data directory and runs the storage unit on it; [`LogServerConfig`]: its settings;
//!   [`OpenError`]: why a directory cannot be opened
//! - [`FoundCells`]: reads the cells of a directory without starting anything on it
//! - [`Unit`]: the [`StorageUnit`](naxos_proto::contracts::StorageUnit): cells of many loglets, each written once
//! - [`disk`]: the files of the operating system, as production uses them
//! - `unit`: the rules of the storage unit, without I/O; `journal`: the unit's bytes on disk; `commit`: the only writer
//!   of the journal; `serve`: reads
//! - [`meta`]: the MetaStore replica
//! - [`founding`]: how the seats of a new cluster agree on their log
//! - `data_dir`: checks the format version, takes the lock and refuses directories of other programs

#![warn(missing_docs)]

mod commit;
mod config;
mod data_dir;
pub mod disk;
mod found_cells;
pub mod founding;
mod journal;
pub mod meta;
mod open_error;
mod serve;
mod server;
mod storage_unit;
mod unit;

pub use config::{LogServerConfig, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SyncObserver};
pub use data_dir::{FORMAT_VERSION, RECOVERY_DIR, check_has_data, is_begun, lock_directory};
pub use found_cells::FoundCells;
pub use journal::DamagedCell;
pub use open_error::OpenError;
pub use serve::DiskUsage;
pub use server::{FoundJournal, LogServer};
pub use storage_unit::Unit;

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
