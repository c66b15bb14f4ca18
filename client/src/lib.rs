//! The shared log as a library.
//!
//! - [`shared_log`]: the contract that engines build on
//! - [`loglet`]: the contract of one segment's log; [`loglets`]: memory and native
//! - [`VirtualLog`]: a chain of loglets in the MetaStore, reconfigured live (Delos, OSDI'20)

mod append_gate;
pub mod loglet;
pub mod loglets;
mod memory_meta;
mod reconfigure;
pub mod shared_log;
mod virtual_log;

pub use loglet::{Liveness, Loglet, LogletError, LogletProvider};
pub use memory_meta::MemoryMetaStore;
pub use reconfigure::{ReconfigureError, Reconfigured};
pub use shared_log::{LogError, Record, SharedLog};
pub use virtual_log::{VirtualLog, VirtualLogConfig};
