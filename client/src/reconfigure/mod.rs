//! Reading and changing the chain in the MetaStore (Delos, OSDI'20, section 3.2).
//!
//! Each edit is computed from the chain that was just read through a quorum, and is installed by compare-and-swap. A
//! process that loses the race goes on with the winner's chain. The loglet that it prepared is an orphan: no chain
//! names it, and its id is never used again. The procedures that use this are in `virtual_log`.

mod error;
mod providers;
mod register;

pub use error::ReconfigureError;
pub(crate) use providers::Providers;
pub(crate) use register::{ChainRegister, Installed, VersionedChain};
