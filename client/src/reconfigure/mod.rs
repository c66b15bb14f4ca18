//! Reading and changing the chain in the MetaStore (Delos, OSDI'20, section 3.2).
//!
//! Each edit is computed from the chain that was just read through a quorum, and installed by compare-and-swap. Who loses
//! the race goes on with the winner's chain; a loser's loglet is an orphan that no chain names, and its id is never used
//! again. The procedures that use this are in `virtual_log`.

mod error;
mod providers;
mod register;

pub use error::ReconfigureError;
pub(crate) use providers::Providers;
pub(crate) use register::{ChainRegister, Installed, VersionedChain};
