//! The shared log as a library.
//!
//! - [`shared_log`]: the contract that engines build on
//! - [`loglet`]: the contract of the log of one segment; [`loglets`]: its implementations, memory, native and Corfu; `suite`:
//!   tests that every loglet must pass (feature `sim`)
//! - [`VirtualLog`]: a log that consists of a chain of loglets. The MetaStore keeps the chain. The log can be
//!   reconfigured while it is in use (Delos, OSDI'20)
//! - `reconfigure`: reads and changes the chain in the MetaStore; `append_gate`: keeps appends in order meanwhile

#![warn(missing_docs)]

mod append_gate;
pub mod failure;
pub mod loglet;
pub mod loglets;
mod memory_meta;
mod reconfigure;
pub mod shared_log;
#[cfg(feature = "sim")]
pub mod suite;
mod virtual_log;

pub use loglet::{Liveness, Loglet, LogletError, LogletProvider, Prepared};
pub use memory_meta::MemoryMetaStore;
pub use reconfigure::ReconfigureError;
pub use shared_log::{LogError, Record, SharedLog};
pub use virtual_log::{Reconfigured, SegmentCopies, UnitsChanged, VirtualLog, VirtualLogConfig, VirtualLogParts};
