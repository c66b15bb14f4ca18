//! What two Naxos processes must agree on.
//!
//! - [`ids`]: ids and positions; [`chain`]: which loglet holds which range of the log; [`native_params`],
//!   [`corfu_params`]: the parameters of a loglet of each kind; [`loglet_roles`]: which processes a loglet depends on;
//!   [`unit_change`]: a change of the units of a loglet whose segment has ended; [`tail`]: the result of a tail check
//! - [`streams`]: which entries belong to a stream, and where the earlier ones are
//! - [`release`]: the cluster version, which says what may be written while nodes of several releases run
//! - [`contracts`]: the traits through which processes call each other
//! - [`control`]: the service behind `naxos ctl`
//! - [`etcd`]: the public API of etcd; on the server's side, hand-written types replace five of its messages
//! - [`peer`]: the contracts over gRPC, between the nodes of a cluster (feature `peer`)
//! - [`completion`]: callbacks of calls on the hot path; [`codec`]: reads and writes little-endian formats
//! - [`splitmix`]: a seeded random generator
//! - [`seams`]: clock, entropy, network, disk and threads, real and simulated; [`suite`]: tests that every
//!   implementation of a contract must pass (feature `sim`)

#![warn(missing_docs)]

pub mod chain;
pub mod codec;
pub mod completion;
pub mod contracts;
#[cfg(feature = "etcd")]
pub mod control;
pub mod corfu_params;
#[cfg(feature = "etcd")]
pub mod etcd;
#[cfg(any(feature = "etcd", feature = "peer"))]
pub mod fitting_codec;
pub mod ids;
pub mod loglet_roles;
pub mod native_params;
#[cfg(feature = "peer")]
pub mod peer;
pub mod release;
pub mod role;
pub mod seams;
pub mod splitmix;
pub mod streams;
#[cfg(feature = "sim")]
pub mod suite;
pub mod tail;
pub mod unit_change;

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
