//! How fast a server of etcd's API is, and beside what.
//!
//! - [`load`] drives any endpoint, closed or open loop.
//! - [`compare`] runs the same work against Naxos, etcd and two floors, interleaved, and judges the ratios.
//! - [`endurance`] holds the long runs: `soak`, `disturb` and `million`.
//! - [`floor`] is what a server costs that does nothing, or nothing but make calls durable.
//! - [`servers`] starts, measures and stops the programs; [`report`] prints; [`pace`] owns time and threads.

pub mod cli;
pub mod compare;
pub mod endurance;
pub mod floor;
pub mod load;
pub mod pace;
pub mod report;
pub mod servers;
