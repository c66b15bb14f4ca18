//! Measures how fast a server of etcd's API is, and compares servers.
//!
//! - [`load`] drives any endpoint, in a closed or an open loop.
//! - [`floor`] has the two floor servers, which show the least that a server can cost. One does nothing, the other
//!   only makes calls durable.
//! - [`compare`] runs the same work on Naxos, etcd and the floor servers in turn, and judges the ratios of their
//!   figures.
//! - [`cluster`] measures what clients notice when members of a cluster fail, are slow, or are restarted.
//! - [`endurance`] has the long runs: `soak`, `disturb` and `million`.
//! - [`servers`] starts, measures and stops the programs; [`report`] prints; [`pace`] deals with time and threads.

pub mod cli;
pub mod cluster;
pub mod compare;
pub mod endurance;
pub mod floor;
pub mod load;
pub mod pace;
pub mod report;
pub mod servers;
