//! What two Naxos processes must agree on.
//!
//! - [`ids`]: names and positions; [`chain`]: which loglet holds which range; [`native_params`]: how a native loglet is made;
//!   [`tail`]
//! - [`contracts`]: the traits that cross a process
//! - [`control`]: the service behind `naxos ctl`
//! - [`etcd`]: the public API of etcd, and the twins of its answers
//! - [`completion`]: the end of a hot-path call; [`codec`]: reading and writing little-endian formats
//! - [`splitmix`]: a seeded generator
//! - [`seams`]: clock, entropy, network, disk and threads, real and simulated; [`suite`]: what every implementation
//!   of a contract must do (feature `sim`)

#![warn(missing_docs)]

pub mod chain;
pub mod codec;
pub mod completion;
pub mod contracts;
#[cfg(feature = "etcd")]
pub mod control;
#[cfg(feature = "etcd")]
pub mod etcd;
pub mod ids;
pub mod native_params;
pub mod seams;
pub mod splitmix;
#[cfg(feature = "sim")]
pub mod suite;
pub mod tail;
