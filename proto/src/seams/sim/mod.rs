//! Simulated seams: they replace the outside world in tests and in the simulator.
//!
//! - [`Drive`]: a disk that survives the crash of its host. Synced data stays. Of the other data a random part stays
//! - [`SeededEntropy`], [`SimClock`], [`TaskWorker`]
//! - [`UnreliableUnit`]: a storage unit behind a network that loses, repeats and delays calls, as a [`Weather`] says
//!
//! Invariant: with the same seeds and the same calls they behave the same, to the byte.

mod clock;
mod drive;
mod drive_disk;
mod drive_file;
mod drive_state;
mod entropy;
mod fault;
mod image;
mod names;
mod unreliable_unit;
mod weather;
mod worker;

pub use clock::SimClock;
pub use drive::Drive;
pub use drive_state::{Latency, Trace};
pub use entropy::SeededEntropy;
pub use fault::Fault;
pub use unreliable_unit::UnreliableUnit;
pub use weather::Weather;
pub use worker::TaskWorker;
