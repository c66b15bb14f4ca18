//! The sequencer: gives out the positions of a loglet and fans native appends out to the storage units.
//!
//! - [`core`]: pure rules: grants under the loglet's one incarnation, quorum counting, in-order acknowledgement
//! - [`fanout`]: the native loglet's appends: stores to every unit, acknowledges at a write quorum
//! - `served`: which loglets a process serves, each once in its life

#![warn(missing_docs)]

pub mod core;
pub mod fanout;
mod served;

pub use fanout::NativeSequencer;
