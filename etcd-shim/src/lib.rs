//! The `naxos` binary, etcd's API, flags and behaviour in front of the engine stack, and [`Naxos`]: the same store inside
//! your program.
//!
//! - `embed`: [`Naxos`] and what belongs to it
//! - [`cli`]: the program's entry, signals and end; [`ctl`]: `naxos ctl`
//! - `backup`: the state as the file of an etcd server, and back; `bolt`: the format of that file
//! - [`config`]: flags, environment, configuration file
//! - [`http`]: health, version and metrics over HTTP
//! - [`logging`]: the log of the program, in the form of etcd's
//! - [`metrics`]: metrics under etcd's names
//! - [`node`]: everything between the flags and the ports
//! - [`port`]: connections, and how a request reaches its service
//! - `production`: the real clock, network and disk
//! - `services`: etcd's gRPC services; [`watch`]: the hubs that Watch uses
//! - [`state`]: the state machine: keys, revisions, transactions, leases
//! - [`tls`]: TLS and its certificates
//! - [`version`]: the version of etcd with which this server is compatible

#![warn(missing_docs)]

mod backend;
mod backup;
mod bolt;
pub mod cli;
pub mod config;
pub mod ctl;
mod embed;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod node;
mod os_text;
pub mod port;
mod production;
mod services;
pub mod state;
pub mod tls;
pub mod version;
pub mod watch;

/// The log below a store, for entries of the program's own ([`Naxos::log`]).
pub mod log {
    pub use naxos_client::LogError;
    pub use naxos_client::streams::{AuxCache, Entry, Log, StreamError, StreamReader};
    pub use naxos_proto::contracts::{AppendError, Refusal};
    pub use naxos_proto::ids::StreamId;
    pub use naxos_proto::streams::Unchanged;
}

pub use cli::run;
pub use embed::{Answer, Change, Condition, Error, Freshness, Naxos, Opening, Outcome, Pair, Read, Transaction, Watch};
pub use naxos_engines::objects;
pub use naxos_proto::ids::Lsn;
pub use state::{Applicator, Applied, Keys, Refused, RowSpace, Rows, View};

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
