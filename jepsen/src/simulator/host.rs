//! [`Host`]: a whole node on a simulated drive, started as often as it crashes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use naxos::config::{Program, ServerConfig, load};
use naxos::node::Node;
use naxos_log_server::LogServerConfig;
use naxos_proto::seams::sim::{Drive, SeededEntropy, SimClock, TaskWorker};
use naxos_proto::seams::{Net, Seams};
use tokio::sync::Notify;

/// Wall time at the start of a run.
pub const EPOCH: Duration = Duration::from_secs(1_700_000_000);
/// The node's port.
pub const PORT: u16 = 2379;
/// Its flags. Pings, because a partition in the simulator never heals the connections that it cut.
const FLAGS: [&str; 5] = [
    "--name=node",
    "--listen-client-urls=http://0.0.0.0:2379",
    "--advertise-client-urls=http://node:2379",
    "--grpc-keepalive-interval=500ms",
    "--grpc-keepalive-timeout=500ms",
];

/// What outlives a node. Clones share it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its disk.
    pub drive: Drive,
    seed: u64,
    boots: Arc<AtomicU64>,
    stop: Arc<Notify>,
}

impl Host {
    /// A host with an empty disk.
    pub fn new(seed: u64) -> Self {
        Host { drive: Drive::new(seed), seed, boots: Arc::default(), stop: Arc::default() }
    }

    /// As SIGTERM: the running node drains and ends.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// How often a node was started.
    pub fn boots(&self) -> u64 {
        self.boots.load(Relaxed)
    }

    /// Starts a node and runs it until [`Self::stop`]. On a drive that crashed meanwhile it never returns: software
    /// does not see its own end.
    ///
    /// # Errors
    /// If it does not start, or ends by itself.
    pub async fn run(self, net: Arc<dyn Net>) -> Result<(), String> {
        let life = self.drive.life();
        let seams = self.seams(net);
        let node = match Node::start_with(config(), seams, 1, unit()).await {
            Ok(node) => node,
            Err(error) => return self.fail(life, format!("the node does not start: {error}")).await,
        };
        tokio::select! {
            biased;
            reason = node.ended() => self.fail(life, reason).await,
            () = self.stop.notified() => {
                node.stop().await;
                Ok(())
            }
        }
    }

    async fn fail(&self, life: u64, reason: String) -> Result<(), String> {
        if self.drive.life() == life {
            return Err(reason);
        }
        std::future::pending().await
    }

    fn seams(&self, net: Arc<dyn Net>) -> Seams {
        let boot = self.boots.fetch_add(1, Relaxed);
        Seams {
            clock: Arc::new(SimClock::new(EPOCH + turmoil::sim_elapsed().unwrap_or_default())),
            entropy: Arc::new(SeededEntropy::new(self.seed.wrapping_mul(1_000_003).wrapping_add(boot))),
            net,
            disk: self.drive.mount(),
            worker: Arc::new(TaskWorker),
        }
    }
}

fn config() -> ServerConfig {
    let words: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
    load(Program::Naxos, &words, &BTreeMap::new()).expect("the flags are valid").config
}

/// Small segments and caches, so that a short run reaches recycling, trimming and cold reads.
fn unit() -> LogServerConfig {
    LogServerConfig {
        segment_bytes: 256 << 10,
        cache_bytes_max: 32 << 10,
        reserve_bytes: 0,
        ..LogServerConfig::default()
    }
}
