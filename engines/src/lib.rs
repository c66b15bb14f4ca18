//! Log-structured protocol engines (Delos, SOSP'21). Proposals go down the stack, applied entries come up, and each
//! log entry is one commit of the local store.
//!
//! - [`entry`]: a map of headers and a payload; [`engine`]: the two contracts
//! - [`local_store`]: recent rows in memory, older ones in a redb file; rows and cursor always change together
//! - [`base`]: applies the log; [`view_tracking`]: finds the safe trim point; [`session`]: applies each proposal at
//!   most once; [`compression`]: makes payloads smaller; [`batching`]: puts many commands into one entry;
//!   [`observer`]: measures the others
//! - [`reply_port`]: gives a batch's outputs to their callers, with one wake-up for each runtime; [`read_gate`]: one
//!   tail check for many reads; [`stack`]: puts the production stack together
//! - [`objects`]: replicated objects and transactions, an application of the stack
//! - [`snapshots`]: offers the state to nodes that are too far behind, and fetches it

#![warn(missing_docs)]

pub mod base;
pub mod batching;
pub mod compression;
pub mod engine;
pub mod entry;
pub mod local_store;
pub mod objects;
pub mod observer;
pub mod read_gate;
pub mod reply_port;
pub mod session;
pub mod snapshots;
pub mod stack;
pub mod view_tracking;
mod waiters;

pub use engine::{Applicator, ApplyCost, Below, Engine, EngineInfo, EngineSwitch, Proposal, ProposeError};
pub use entry::Entry;
pub use local_store::{LocalStore, RowKey, StoreReader, TableId, Txn};

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
