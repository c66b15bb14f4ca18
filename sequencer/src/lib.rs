//! The sequencer: gives out the positions of a loglet and fans native appends out to the storage units.
//!
//! - [`core`]: pure rules: which offsets a batch gets, how quorums are counted, acknowledgement in order
//! - [`fanout`]: appends to native loglets: stores them on every unit and acknowledges them at a write quorum
//! - `served`: the loglets that a process serves, each only once in the life of the process

#![warn(missing_docs)]

pub mod core;
pub mod fanout;
mod served;

pub use fanout::NativeSequencer;
