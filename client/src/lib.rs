//! The shared log as a library.
//!
//! - [`shared_log`]: the contract that engines build on
//! - [`loglet`]: the contract of one segment's log; [`loglets`]: memory and native; `suite`: what each loglet must do
//!   (feature `sim`)
//! - [`VirtualLog`]: a chain of loglets in the MetaStore, reconfigured live (Delos, OSDI'20)
//! - `reconfigure`: reading and changing the chain in the MetaStore; `append_gate`: the order of appends meanwhile

#![warn(missing_docs)]

mod append_gate;
pub mod loglet;
pub mod loglets;
mod memory_meta;
mod reconfigure;
pub mod shared_log;
#[cfg(feature = "sim")]
pub mod suite;
mod virtual_log;

pub use loglet::{Liveness, Loglet, LogletError, LogletProvider};
pub use memory_meta::MemoryMetaStore;
pub use reconfigure::ReconfigureError;
pub use shared_log::{LogError, Record, SharedLog};
pub use virtual_log::{Reconfigured, VirtualLog, VirtualLogConfig, VirtualLogParts};
