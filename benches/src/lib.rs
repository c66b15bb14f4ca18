//! Measures how fast a server of etcd's API is, and compares servers.
//!
//! - [`load`] drives any endpoint, in a closed or an open loop.
//! - [`compare`] runs the same work on Naxos, etcd and two floors in turn, and judges the ratios.
//! - [`endurance`] has the long runs: `soak`, `disturb` and `million`.
//! - [`floor`] has a server that does nothing, and one that only makes calls durable.
//! - [`servers`] starts, measures and stops the programs; [`report`] prints; [`pace`] deals with time and threads.

pub mod cli;
pub mod compare;
pub mod endurance;
pub mod floor;
pub mod load;
pub mod pace;
pub mod report;
pub mod servers;
