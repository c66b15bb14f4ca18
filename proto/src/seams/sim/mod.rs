//! Simulated seams: what a test or the simulator puts in the place of the world.
//!
//! - [`Drive`]: a disk that survives its host: what was synced stays, a random part of the rest
//! - [`SeededEntropy`], [`SimClock`], [`TaskWorker`]
//!
//! Invariant: with the same seeds and the same calls they behave equally, to the byte.

mod clock;
mod drive;
mod drive_disk;
mod drive_file;
mod drive_state;
mod entropy;
mod fault;
mod image;
mod names;
mod worker;

pub use clock::SimClock;
pub use drive::Drive;
pub use drive_state::{Latency, Trace};
pub use entropy::SeededEntropy;
pub use fault::Fault;
pub use worker::TaskWorker;
