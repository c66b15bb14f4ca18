//! A storage unit on a simulated disk, and simulated time.

use std::sync::Arc;
use std::time::Duration;

use naxos_log_server::{LogServer, LogServerConfig};
use naxos_proto::seams::sim::{Drive, SeededEntropy, SimClock, TaskWorker};
use naxos_proto::seams::{Seams, SocketNet};
use tokio_util::sync::CancellationToken;

/// A log server on a simulated disk, with segments of this many bytes.
pub async fn server(seed: u64, drive: &Drive, segment_bytes: u64) -> LogServer {
    let seams = Seams {
        clock: Arc::new(SimClock::new(Duration::from_secs(1_700_000_000))),
        entropy: Arc::new(SeededEntropy::new(seed)),
        net: Arc::new(SocketNet),
        disk: drive.mount(),
        worker: Arc::new(TaskWorker),
    };
    let config = LogServerConfig { segment_bytes, reserve_bytes: 0, ..LogServerConfig::default() };
    LogServer::open(seams, config, CancellationToken::new()).await.unwrap()
}

/// Runs a test in simulated time.
pub fn simulate(body: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, body);
}
