//! [`Host`]: a whole node on a simulated drive, started as often as it crashes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use naxos::config::{Program, ServerConfig, load};
use naxos::node::Node;
use naxos_log_server::LogServerConfig;
use naxos_proto::seams::sim::{Drive, SeededEntropy, SimClock, TaskWorker};
use naxos_proto::seams::{Net, Seams};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::trace::simulated_now;
use crate::differential::dice::Dice;

/// Wall time at the start of a run.
pub const EPOCH: Duration = Duration::from_secs(1_700_000_000);
/// A node's wall time is off by at most so much: eleven days.
const SKEW_NANOS_MAX: i64 = 1_000_000_000_000_000;
/// Its clock is fast or slow by at most 1%.
const DRIFT_PPM_MAX: u64 = 10_000;
/// The node's port.
pub const PORT: u16 = 2379;
/// Its flags. Pings, because a partition in the simulator never heals the connections that it cut.
/// The election time-out decides on the shortest lease, which is 1 s with this one.
const FLAGS: [&str; 7] = [
    "--name=node",
    "--listen-client-urls=http://0.0.0.0:2379",
    "--advertise-client-urls=http://node:2379",
    "--grpc-keepalive-interval=500ms",
    "--grpc-keepalive-timeout=500ms",
    "--heartbeat-interval=50",
    "--election-timeout=500",
];

/// With less room than this, writes are refused.
pub const RESERVE_BYTES: u64 = 512 << 10;

/// What outlives a node. Clones share it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its disk.
    pub drive: Drive,
    seed: u64,
    boots: Arc<AtomicU64>,
    /// Of the node that was started last.
    stop: Arc<Mutex<Arc<Notify>>>,
    may_fail: Arc<AtomicBool>,
    clock: Arc<Mutex<Option<SimClock>>>,
}

impl Host {
    /// A host with an empty disk.
    pub fn new(seed: u64) -> Self {
        Host {
            drive: Drive::new(seed),
            seed,
            boots: Arc::default(),
            stop: Arc::default(),
            may_fail: Arc::default(),
            clock: Arc::default(),
        }
    }

    /// Whether the node may refuse to start or end by itself from now on: its disk fails.
    pub fn set_may_fail(&self, may: bool) {
        self.may_fail.store(may, Relaxed);
    }

    /// The clock of the node that was started last.
    pub fn clock(&self) -> Option<SimClock> {
        self.clock.lock().clone()
    }

    /// As SIGTERM: the running node drains and ends.
    pub fn stop(&self) {
        self.stop.lock().notify_one();
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
        let (life, stop) = (self.drive.life(), Arc::new(Notify::new()));
        *self.stop.lock() = Arc::clone(&stop);
        let seams = self.seams(net);
        let node = match Node::start_with(config(), seams, 1, unit()).await {
            Ok(node) => node,
            Err(error) => return self.fail(life, format!("the node does not start: {error}")).await,
        };
        tokio::select! {
            biased;
            reason = node.ended() => {
                if self.drive.life() == life {
                    node.stop().await;
                }
                self.fail(life, reason).await
            }
            () = stop.notified() => {
                node.stop().await;
                Ok(())
            }
        }
    }

    async fn fail(&self, life: u64, reason: String) -> Result<(), String> {
        if self.drive.life() == life {
            return if self.may_fail.load(Relaxed) { Ok(()) } else { Err(reason) };
        }
        std::future::pending().await
    }

    fn seams(&self, net: Arc<dyn Net>) -> Seams {
        let boot = self.boots.fetch_add(1, Relaxed);
        let mut dice = Dice::new(self.seed ^ 0xc10c);
        let skew = dice.below_signed(2 * SKEW_NANOS_MAX) - SKEW_NANOS_MAX;
        let drift = dice.below(2 * DRIFT_PPM_MAX + 1);
        let drift = i32::try_from(drift).expect("a small number") - i32::try_from(DRIFT_PPM_MAX).expect("too");
        let clock = SimClock::new(EPOCH + simulated_now()).with_skew_nanos(skew).with_drift_ppm(drift);
        *self.clock.lock() = Some(clock.clone());
        Seams {
            clock: Arc::new(clock),
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
        reserve_bytes: RESERVE_BYTES,
        ..LogServerConfig::default()
    }
}
