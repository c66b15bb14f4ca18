//! The storage unit and the MetaStore replica of one data directory.
//!
//! - [`LogServer`]: opens a data directory and runs what lives on it; [`LogServerConfig`], [`OpenError`]
//! - [`Unit`]: the [`StorageUnit`](naxos_proto::contracts::StorageUnit): cells of many loglets, each written once
//! - [`disk`]: the production file calls
//! - `unit`: pure rules; `journal`: bytes on disk; `commit`: the one writer; `serve`: readers
//! - [`meta`]: the MetaStore replica
//! - `data_dir`: format version, lock, foreign directories

#![warn(missing_docs)]

mod commit;
mod config;
mod data_dir;
pub mod disk;
mod journal;
pub mod meta;
mod open_error;
mod serve;
mod server;
mod storage_unit;
mod unit;

pub use config::{LogServerConfig, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SyncObserver};
pub use data_dir::{FORMAT_VERSION, is_begun};
pub use journal::DamagedCell;
pub use open_error::OpenError;
pub use serve::DiskUsage;
pub use server::{FoundJournal, LogServer};
pub use storage_unit::Unit;
