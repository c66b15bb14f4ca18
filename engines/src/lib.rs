//! Log-structured protocol engines (Delos, SOSP'21): propose goes down, apply comes up, one local store commit per log
//! entry.
//!
//! - [`entry`]: a map of headers and a payload; [`engine`]: the two contracts
//! - [`local_store`]: memory in front, a lagging redb checkpoint behind; data and cursor move as one
//! - [`base`]: plays the log; [`view_tracking`]: finds the safe trim point; [`session`]: at most once;
//!   [`batching`]: many commands in one entry
//! - [`reply_port`]: one wake-up per batch and runtime; [`read_gate`]: one tail check for many reads; [`stack`]: the
//!   production stack in one place

#![warn(missing_docs)]

pub mod base;
pub mod batching;
pub mod engine;
pub mod entry;
pub mod local_store;
pub mod read_gate;
pub mod reply_port;
pub mod session;
pub mod stack;
pub mod view_tracking;

pub use engine::{Applicator, Below, Engine, EngineInfo, EngineSwitch, Proposal, ProposeError};
pub use entry::Entry;
pub use local_store::{LocalStore, RowKey, StoreReader, TableId, Txn};
