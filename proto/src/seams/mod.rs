//! The five seams between Naxos and the world: [`Clock`], [`Entropy`], [`Net`], [`Disk`], [`Worker`].
//!
//! A node reads the time, draws randomness, opens sockets and the files of its data directory, and starts threads only
//! through these traits. It opens files directly only where the simulator has no use for them, such as its
//! configuration, certificates and log files; for the same reason it asks the DNS directly (`--discovery-srv`). The
//! production implementation is next to each trait (the file calls are in `naxos-log-server::disk`); the simulator has
//! its own. Invariant: code between two awaits behaves the same with both.

mod clock;
mod disk;
mod entropy;
mod net;
mod replace_file;
mod rest;
#[cfg(feature = "sim")]
pub mod sim;
mod tasks;
mod worker;

pub use clock::{BootClock, Clock, Instant, WallTime};
pub use disk::{BlockingFile, Disk, File, OpenMode, is_full};
pub use entropy::{Entropy, OsEntropy};
pub use net::{Accepted, Address, BoxConnection, Connection, Listener, Net, PeerAddress, SocketNet};
pub use replace_file::replace_file;
pub use rest::rest_after;
pub use tasks::Tasks;
pub use worker::{Body, ThreadWorker, Worker, WorkerHandle, panic_text, start};

use std::sync::Arc;

/// Everything through which a component reaches the outside world. `main` or the simulator passes it down.
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
