//! The five seams between Naxos and the world: [`Clock`], [`Entropy`], [`Net`], [`Disk`], [`Worker`].
//!
//! Nothing in the workspace reads time, draws randomness, opens a socket or a file or starts a thread except through
//! these traits. Production forms stand beside each trait (the file calls are in `naxos-log-server::disk`); the
//! simulator brings its own. Invariant: code between two awaits behaves equally under both.

mod clock;
mod disk;
mod entropy;
mod net;
mod rest;
#[cfg(feature = "sim")]
pub mod sim;
mod tasks;
mod worker;

pub use clock::{BootClock, Clock, Instant, WallTime};
pub use disk::{BlockingFile, Disk, File, OpenMode, is_full};
pub use entropy::{Entropy, OsEntropy};
pub use net::{Accepted, Address, BoxConnection, Connection, Listener, Net, PeerAddress, SocketNet};
pub use rest::rest_after;
pub use tasks::Tasks;
pub use worker::{Body, ThreadWorker, Worker, WorkerHandle, start};

use std::sync::Arc;

/// All that a component may ask of the world, handed down from `main` or from the simulator.
#[derive(Clone)]
pub struct Seams {
    /// Monotonic and wall time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Sockets.
    pub net: Arc<dyn Net>,
    /// Files below one data directory.
    pub disk: Arc<dyn Disk>,
    /// Threads.
    pub worker: Arc<dyn Worker>,
}
