//! The sequencer: gives out the offsets of a loglet and fans native appends out to the storage units.
//!
//! - `answer`: what a unit's answer to a store means for the batch
//! - `granted`: how far a sequencer has got, for probes
//! - `grants`: pure rules: which offsets a batch gets, how quorums are counted, acknowledgement in order
//! - `in_flight_max`: how much a sequencer takes before units have answered
//! - `lane`: pure rules: what is sent to one unit, and sent again
//! - `late_refusals`: conditional appends that are refused because of an append on its way
//! - `fanout`: the appends of one native loglet: stores them on every unit, acknowledges them at a write quorum
//! - `fanout_state`: what a fan-out knows under its lock
//! - `served`: the loglets that a process serves, each only once in the life of the process
//! - `stream_table`: pure rules: where the newest entries of each stream are
//! - `tokens`: the offsets of a Corfu loglet, whose clients store their cells themselves
//! - `local_sequencer`: the sequencer of one process

#![warn(missing_docs)]

mod answer;
mod fanout;
mod fanout_state;
mod granted;
mod grants;
mod in_flight_max;
mod lane;
mod late_refusals;
mod local_sequencer;
mod served;
mod stream_table;
mod tokens;

pub use granted::Granted;
pub use local_sequencer::LocalSequencer;

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
