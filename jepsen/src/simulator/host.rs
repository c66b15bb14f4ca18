//! [`Host`]: a whole node on a simulated drive. It is started again after each crash.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures::StreamExt;
use naxos::config::{Program, ServerConfig, load};
use naxos::node::Running;
use naxos::node::probe::{FreshCell, Probe, View};
use naxos_log_server::LogServerConfig;
use naxos_proto::ids::Lsn;
use naxos_proto::role::Role;
use naxos_proto::seams::sim::{Drive, SeededEntropy, SimClock};
use naxos_proto::seams::{Net, Seams};
use naxos_sim::EPOCH;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::still::{Gate, GatedNet, GatedWorker};
use super::trace::simulated_now;
use crate::differential::dice::Dice;
use crate::pace;

/// A node's wall time is wrong by at most this: about 11.6 days.
const SKEW_NANOS_MAX: i64 = 1_000_000_000_000_000;
/// A node's clock is fast or slow by at most this: 1%.
const DRIFT_PPM_MAX: u64 = 10_000;
/// The node's port.
pub const PORT: u16 = 2379;
/// The flags of every node. They make the node send HTTP/2 pings, because in the simulator a connection that a
/// partition has cut never recovers. The election time-out determines the shortest lease: with 500 ms it is 1 s.
const FLAGS: [&str; 5] = [
    "--listen-client-urls=http://0.0.0.0:2379",
    "--grpc-keepalive-interval=500ms",
    "--grpc-keepalive-timeout=500ms",
    "--heartbeat-interval=50",
    "--election-timeout=500",
];

/// How long the follower of the log waits after an error before it follows the log again.
const FOLLOW_RETRY: Duration = Duration::from_millis(50);
/// How often a host whose member does not exist yet looks again.
const NOT_YET: Duration = Duration::from_millis(10);
/// At most this many client commands wait in the queue of the storage unit of a member of a cluster.
const QUEUE_COMMANDS_MAX: u64 = 16;
/// If the disk has less room than this, the node refuses writes.
pub const RESERVE_BYTES: u64 = 512 << 10;

/// The parts of a host that outlive a node. Clones share them.
#[derive(Clone, Debug)]
pub struct Host {
    /// The host's name in the simulated network, and the node's name.
    pub name: &'static str,
    drive: Arc<Mutex<Drive>>,
    flags: Arc<Vec<String>>,
    seed: u64,
    boots: Arc<AtomicU64>,
    /// The number of the last start after which the node served.
    served: Arc<AtomicU64>,
    /// Stops the node that was started last.
    stop: Arc<Mutex<Arc<Notify>>>,
    may_fail: Arc<AtomicBool>,
    gate: Gate,
    /// Whether the cluster has the member of this host. Without it no node is started here.
    is_member: Arc<AtomicBool>,
    /// On the host of a newcomer: whether the disk is empty, because no member has begun here since it was emptied.
    is_clean: Arc<AtomicBool>,
    /// Whether the node may end by itself: its member is being removed or was removed, or its disk was replaced.
    leaves: Arc<AtomicBool>,
    clock: Arc<Mutex<Option<SimClock>>>,
    probe: Arc<Mutex<Option<Probe>>>,
    /// The position up to which a program on this host that follows the log has got it. `None` while nothing follows.
    followed: Arc<Mutex<Option<Lsn>>>,
}

/// What the process does after a node has ended.
enum Next {
    /// The process ends, too.
    End,
    /// The process starts the node again, which then gets a snapshot from another member.
    StartAgain,
}

impl Host {
    /// The host of a node that is alone, with an empty disk.
    pub fn alone(name: &'static str, seed: u64) -> Self {
        Self::new(name, seed, Vec::new())
    }

    /// The host of a member of a cluster, with an empty disk. The cluster's members are `names`.
    pub fn member(name: &'static str, names: &[&str], seed: u64) -> Self {
        Self::new(name, seed, cluster_flags(names))
    }

    /// The host of a member of a cluster that runs only the part `role`, with an empty disk. The cluster's members are
    /// `names`.
    pub fn part(name: &'static str, role: Role, names: &[&str], seed: u64) -> Self {
        let host = Self::member(name, names, seed);
        let serves = |flag: &&String| role.has_state() || !flag.contains("-client-urls=");
        let flags = host.flags.iter().filter(serves).cloned();
        let flags = role.word().map(str::to_owned).into_iter().chain(flags).collect();
        Host { flags: Arc::new(flags), ..host }
    }

    /// The host of a member that is added to a cluster with the members `names`, with an empty disk. Nothing runs there
    /// until [`Self::joins`].
    pub fn newcomer(name: &'static str, names: &[&str], seed: u64) -> Self {
        let names: Vec<&str> = names.iter().copied().chain([name]).collect();
        let mut own = cluster_flags(&names);
        own.push("--initial-cluster-state=existing".to_owned());
        let host = Self::new(name, seed, own);
        host.is_member.store(false, Relaxed);
        host.is_clean.store(true, Relaxed);
        host
    }

    /// The host of a process on a clone of the disk of the member `of`: it has all of that member's flags, and so its
    /// addresses, but is elsewhere. Nothing runs there until [`Self::joins`].
    pub fn twin(name: &'static str, of: &str, names: &[&str], seed: u64) -> Self {
        let host = Self::named(name, of, seed, cluster_flags(names));
        host.is_member.store(false, Relaxed);
        host.is_clean.store(true, Relaxed);
        host
    }

    /// The host's disk.
    pub fn drive(&self) -> Drive {
        self.drive.lock().clone()
    }

    /// Puts another disk into the host, whose node is down. The node may end, or not start, until the disk is emptied.
    pub fn replace_drive(&self, drive: Drive) {
        *self.drive.lock() = drive;
        self.leaves.store(true, Relaxed);
    }

    /// The cluster has added the member of this host: its node starts.
    pub fn joins(&self) {
        self.leaves.store(false, Relaxed);
        self.is_clean.store(false, Relaxed);
        self.is_member.store(true, Relaxed);
    }

    /// Whether nothing is here: no member, and an empty disk.
    pub fn is_unused(&self) -> bool {
        !self.is_member() && self.is_clean.load(Relaxed)
    }

    /// Puts an empty disk into the host, after its member was removed, or after its disk was refused.
    pub fn clean(&self) {
        self.leaves.store(false, Relaxed);
        self.drive().wipe();
        self.is_clean.store(true, Relaxed);
    }

    /// The cluster is asked to remove the member of this host: its node may end from now on.
    pub fn may_leave(&self) {
        self.leaves.store(true, Relaxed);
    }

    /// The cluster has removed the member of this host: no node starts here any more.
    pub fn has_left(&self) {
        self.is_member.store(false, Relaxed);
    }

    /// Whether the cluster has the member of this host, as far as the clients know.
    pub fn is_member(&self) -> bool {
        self.is_member.load(Relaxed)
    }

    fn new(name: &'static str, seed: u64, own: Vec<String>) -> Self {
        Self::named(name, name, seed, own)
    }

    /// The host `name`, whose node believes that it is the member `member`.
    fn named(name: &'static str, member: &str, seed: u64, own: Vec<String>) -> Self {
        let named = [
            format!("--name={member}"),
            format!("--advertise-client-urls=http://{member}:2379"),
            "--listen-peer-urls=http://0.0.0.0:2380".to_owned(),
            format!("--initial-advertise-peer-urls=http://{member}:2380"),
        ];
        Host {
            name,
            drive: Arc::new(Mutex::new(Drive::new(seed))),
            flags: Arc::new(FLAGS.iter().map(ToString::to_string).chain(named).chain(own).collect()),
            seed,
            boots: Arc::default(),
            served: Arc::default(),
            stop: Arc::default(),
            may_fail: Arc::default(),
            gate: Gate::default(),
            is_member: Arc::new(AtomicBool::new(true)),
            is_clean: Arc::default(),
            leaves: Arc::default(),
            clock: Arc::default(),
            probe: Arc::default(),
            followed: Arc::default(),
        }
    }

    /// What the node holds now. `None` while it starts and while it is down.
    pub fn look(&self) -> Option<View> {
        self.probe.lock().as_ref().and_then(Probe::look)
    }

    /// The position up to which a program on this host that follows the log has got it. `None` while nothing follows.
    pub fn followed(&self) -> Option<Lsn> {
        *self.followed.lock()
    }

    /// The cells that the node's storage unit has got since the last call.
    pub fn fresh_cells(&self) -> Vec<FreshCell> {
        self.probe.lock().as_ref().map(Probe::fresh_cells).unwrap_or_default()
    }

    /// Sets whether the node may end by itself or not start at all, because its disk fails.
    pub fn set_may_fail(&self, may: bool) {
        self.may_fail.store(may, Relaxed);
    }

    /// The gate that makes the node's process stand still.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The clock of the node that was started last.
    pub fn clock(&self) -> Option<SimClock> {
        self.clock.lock().clone()
    }

    /// Stops the running node as SIGTERM does: it finishes its work and ends.
    pub fn stop(&self) {
        self.stop.lock().notify_one();
    }

    /// How often a node was started.
    pub fn boots(&self) -> u64 {
        self.boots.load(Relaxed)
    }

    /// The number of the last start after which the node served; 0 if there was none.
    pub fn served(&self) -> u64 {
        self.served.load(Relaxed)
    }

    /// Waits until the cluster has the member. Then starts a node and runs it until [`Self::stop`], or until its member
    /// is removed. If the drive crashes and the node then fails, this never returns: the node stands for software that
    /// crashed with the drive and can do nothing more.
    ///
    /// # Errors
    /// If the node does not start or ends by itself, unless [`Self::set_may_fail`], [`Self::may_leave`] or
    /// [`Self::replace_drive`] has allowed that.
    pub async fn run(self, net: Arc<dyn Net>) -> Result<(), String> {
        let (life, stop) = (self.drive().life(), Arc::new(Notify::new()));
        *self.stop.lock() = Arc::clone(&stop);
        *self.probe.lock() = None;
        *self.followed.lock() = None;
        while !self.is_member() {
            pace::pause(NOT_YET).await;
        }
        while let Next::StartAgain = self.live(Arc::clone(&net), life, &stop).await? {}
        Ok(())
    }

    /// Runs a node from its start to its end.
    async fn live(&self, net: Arc<dyn Net>, life: u64, stop: &Notify) -> Result<Next, String> {
        *self.probe.lock() = None;
        *self.followed.lock() = None;
        let seams = self.seams(net);
        let started = tokio::select! {
            biased;
            started = Running::start(self.config(), seams, 1, self.unit()) => started,
            // A node that waits for the other members can be stopped, too.
            () = stop.notified() => return Ok(Next::End),
        };
        let node = match started {
            Ok(node) => node,
            Err(error) => return self.fail(life, format!("{} does not start: {error}", self.name)).await,
        };
        let probe = node.probe();
        *self.probe.lock() = Some(probe.clone());
        self.served.store(self.boots(), Relaxed);
        tokio::select! {
            biased;
            reason = node.ended() => {
                if self.drive().life() == life {
                    node.stop().await;
                }
                self.fail(life, format!("{}: {reason}", self.name)).await
            }
            () = node.fell_behind() => {
                node.stop().await;
                Ok(Next::StartAgain)
            }
            () = node.removed() => {
                node.stop().await;
                Ok(Next::End)
            }
            () = stop.notified() => {
                node.stop().await;
                Ok(Next::End)
            }
            () = self.follow(probe) => unreachable!("it follows for ever"),
        }
    }

    /// Follows the log of the node as a program does, and notes how far it has got. Never returns.
    async fn follow(&self, probe: Probe) {
        loop {
            let Some((from, mut items)) = probe.follow() else { return std::future::pending().await };
            *self.followed.lock() = Some(from);
            while let Some(Ok((_, next))) = items.next().await {
                *self.followed.lock() = Some(next);
            }
            *self.followed.lock() = None;
            pace::pause(FOLLOW_RETRY).await;
        }
    }

    async fn fail(&self, life: u64, reason: String) -> Result<Next, String> {
        if self.drive().life() == life {
            tracing::info!(reason, "the node ends");
            let may_end = self.may_fail.load(Relaxed) || self.leaves.load(Relaxed);
            return if may_end { Ok(Next::End) } else { Err(reason) };
        }
        std::future::pending().await
    }

    fn config(&self) -> ServerConfig {
        load(Program::Naxos, &self.flags, &BTreeMap::new()).expect("the flags are valid").config
    }

    /// Small segments, caches and queues, so that even a short run recycles segments, trims, reads from disk, and refuses
    /// stores while a disk hangs. A node that is alone would tell its clients of such a refusal, so it has a longer queue.
    fn unit(&self) -> LogServerConfig {
        let usual = LogServerConfig::default();
        let is_alone = !self.flags.iter().any(|flag| flag.starts_with("--initial-cluster="));
        LogServerConfig {
            segment_bytes: 256 << 10,
            cache_bytes_max: 32 << 10,
            queue_commands_max: if is_alone { usual.queue_commands_max } else { QUEUE_COMMANDS_MAX },
            reserve_bytes: RESERVE_BYTES,
            ..usual
        }
    }

    fn seams(&self, net: Arc<dyn Net>) -> Seams {
        let boot = self.boots.fetch_add(1, Relaxed);
        let mut dice = Dice::new(self.seed ^ 0xc10c);
        let skew = dice.below_signed(2 * SKEW_NANOS_MAX) - SKEW_NANOS_MAX;
        let drift = dice.below(2 * DRIFT_PPM_MAX + 1);
        let small = |ppm: u64| i32::try_from(ppm).expect("a small number");
        let drift = small(drift) - small(DRIFT_PPM_MAX);
        let clock = SimClock::new(EPOCH + simulated_now()).with_skew_nanos(skew).with_drift_ppm(drift);
        *self.clock.lock() = Some(clock.clone());
        Seams {
            clock: Arc::new(clock),
            entropy: Arc::new(SeededEntropy::new(self.seed.wrapping_mul(1_000_003).wrapping_add(boot))),
            net: Arc::new(GatedNet { net, gate: self.gate.clone() }),
            disk: self.drive().mount(),
            worker: Arc::new(GatedWorker(self.gate.clone())),
        }
    }
}

/// The flags of a member of the cluster with these members.
fn cluster_flags(names: &[&str]) -> Vec<String> {
    let url = |name: &&str| format!("{name}=http://{name}:2380");
    let list = names.iter().map(url).collect::<Vec<_>>().join(",");
    vec![
        format!("--initial-cluster={list}"),
        // So little that a member that is down for a second has to get a snapshot.
        "--naxos-held-log-bytes=65536".to_owned(),
        // With this check no member would ever be added, because all members would have to answer for some seconds
        // first.
        "--strict-reconfig-check=false".to_owned(),
        // Often enough for several notifications in a run.
        "--watch-progress-notify-interval=400ms".to_owned(),
    ]
}
