//! The sequencer: gives out the offsets of a loglet and fans native appends out to the storage units.
//!
//! - `answer`: what a unit's answer to a store means for the batch
//! - `granted`: how far a sequencer has got, for probes
//! - `grants`: pure rules: which offsets a batch gets, how quorums are counted, acknowledgement in order
//! - `in_flight_max`: how much a sequencer takes before units have answered
//! - `lane`: pure rules: what is sent to one unit, and sent again
//! - `fanout`: the appends of one native loglet: stores them on every unit, acknowledges them at a write quorum
//! - `served`: the loglets that a process serves, each only once in the life of the process
//! - `tokens`: the offsets of a Corfu loglet, whose clients store their cells themselves
//! - `local_sequencer`: the sequencer of one process

#![warn(missing_docs)]

mod answer;
mod fanout;
mod granted;
mod grants;
mod in_flight_max;
mod lane;
mod local_sequencer;
mod served;
mod tokens;

pub use granted::Granted;
pub use local_sequencer::LocalSequencer;
