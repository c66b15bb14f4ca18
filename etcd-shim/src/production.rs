//! [`production`]: the seams of production, the real clock, network and disk.

use std::path::Path;
use std::sync::Arc;

use naxos_log_server::disk::RealDisk;
use naxos_proto::seams::{BootClock, OsEntropy, Seams, SocketNet, ThreadWorker};

/// Clock, random generator, sockets, threads, and the files below `data_dir`.
pub(crate) fn production(data_dir: &Path) -> Seams {
    Seams {
        clock: Arc::new(BootClock),
        entropy: Arc::new(OsEntropy),
        net: Arc::new(SocketNet),
        disk: Arc::new(RealDisk::at(data_dir)),
        worker: Arc::new(ThreadWorker),
    }
}
