//! [`Member`]: one simulated node and the client beside it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use naxos::{Error, Freshness, Keys, Naxos};
use naxos_log_server::LogServerConfig;
use naxos_proto::seams::sim::{Drive, SeededEntropy, SimClock, TaskWorker};
use naxos_proto::seams::{Clock, Seams};
use parking_lot::Mutex;

use crate::dice::Dice;
use crate::history::{AllRows, History};
use crate::net::TurmoilNet;
use crate::program::Program;
use crate::recorder::Recorder;
use crate::world::EPOCH;

/// The names of the hosts.
pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];
/// How long clients propose commands.
pub(crate) const BUSY: Duration = Duration::from_secs(6);
/// The longest time between two commands of a client, in milliseconds.
const PAUSE_MILLIS: u64 = 25;
/// How often a node tells its rows at the end.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// The most bytes of the log that are held for a member that is away. The number is so small that a member that is down
/// for a second has to get a snapshot.
const HELD_LOG_BYTES: &str = "65536";
/// The clock of a node is off by at most this, in nanoseconds: about 11.6 days.
const SKEW_NANOS_MAX: i64 = 1_000_000_000_000_000;

/// The rows that each node told last.
pub(crate) type Told = Rc<RefCell<BTreeMap<&'static str, AllRows>>>;

/// See the module. Clones share the disk.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) drive: Drive,
    pub(crate) history: Arc<Mutex<History>>,
    pub(crate) told: Told,
    pub(crate) program: Program,
    /// The nodes on which `beside` has returned.
    pub(crate) finished: Finished,
    pub(crate) seed: u64,
    /// How often a node was started here.
    pub(crate) starts: Rc<RefCell<u64>>,
}

/// The nodes on which [`Simulation::beside`](crate::Simulation::beside) has returned.
pub(crate) type Finished = Rc<RefCell<BTreeSet<&'static str>>>;

/// How long the simulation has lasted.
pub fn elapsed() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

impl Member {
    /// Runs a node, and a client that proposes commands through it. Never returns, unless the node fails.
    pub(crate) async fn run(self) -> turmoil::Result {
        let life = self.drive.life();
        let failed = self.serve().await;
        if self.drive.life() != life {
            // The node has crashed together with its disk. It must do nothing more until the host is started again.
            std::future::pending::<()>().await;
        }
        failed.map_err(|why| format!("node {}: {why}", self.name).into())
    }

    async fn serve(&self) -> Result<(), String> {
        let start = self.starts.replace_with(|starts| *starts + 1);
        let mut dice = Dice::new(self.seed.wrapping_mul(1_000_003).wrapping_add(start));
        let seams = self.seams(dice.roll());
        let clock = Arc::clone(&seams.clock);
        let own = NAMES.iter().position(|name| *name == self.name).expect("it is one of them");
        let recorder = Recorder { inner: (self.program.make)(), node: self.name, history: Arc::clone(&self.history) };
        let opening = Naxos::open("data")
            .peers(own, NAMES.map(|name| format!("http://{name}:2380")))
            // turmoil binds no names. In the simulator a connection that a partition has cut never recovers, so pings
            // have to find and end it.
            .flag("listen-peer-urls", "http://0.0.0.0:2380")
            .flag("grpc-keepalive-interval", "500ms")
            .flag("grpc-keepalive-timeout", "500ms")
            .flag("heartbeat-interval", "50")
            .flag("election-timeout", "500")
            .flag("naxos-held-log-bytes", HELD_LOG_BYTES)
            .applicator(recorder)
            .on(seams, small_unit());
        let node = opening.await.map_err(|error| error.to_string())?;
        self.finished.borrow_mut().remove(self.name);
        let beside = (self.program.beside)(node.clone(), Dice::new(dice.roll()));
        let beside = async {
            let done = beside.await;
            self.finished.borrow_mut().insert(self.name);
            done
        };
        let proposes = self.propose_and_tell(&node, &mut dice, &*clock);
        tokio::try_join!(beside, proposes).map(drop)
    }

    /// Proposes commands, and tells the rows at the end. Returns only if the node fails.
    async fn propose_and_tell(&self, node: &Naxos, dice: &mut Dice, clock: &dyn Clock) -> Result<(), String> {
        while elapsed() < BUSY {
            self.propose(node, dice).await?;
            clock.sleep(Duration::from_millis(dice.below(PAUSE_MILLIS))).await;
        }
        loop {
            if let Ok(rows) = node.query(Freshness::Linearizable, |view| view.list(Keys::all(), usize::MAX)).await {
                self.told.borrow_mut().insert(self.name, rows.into_iter().collect());
            }
            clock.sleep(TELL_EVERY).await;
        }
    }

    async fn propose(&self, node: &Naxos, dice: &mut Dice) -> Result<(), String> {
        let command = (self.program.commands)(dice);
        self.history.lock().proposes(&command);
        let began = elapsed();
        match node.propose(&command).await {
            Ok(applied) => self.history.lock().acknowledged(&command, began, elapsed(), applied),
            Err(Error::Refused(_) | Error::NotDone(_)) => {}
            Err(Error::Unknown(_)) => self.history.lock().unknown += 1,
            Err(ended) => return Err(ended.to_string()),
        }
        if let Ok(Err(why)) = node.query(Freshness::Local, |view| (self.program.invariant)(view)).await {
            self.history.lock().breaks(format!("the invariant does not hold on node {}: {why}", self.name));
        }
        Ok(())
    }

    fn seams(&self, seed: u64) -> Seams {
        // A host's clock differs from the clocks of the other hosts, by the same amount after each start.
        let skew = Dice::new(self.seed).below_signed(2 * SKEW_NANOS_MAX) - SKEW_NANOS_MAX;
        Seams {
            clock: Arc::new(SimClock::new(EPOCH + elapsed()).with_skew_nanos(skew)),
            entropy: Arc::new(SeededEntropy::new(seed)),
            net: Arc::new(TurmoilNet),
            disk: self.drive.mount(),
            worker: Arc::new(TaskWorker),
        }
    }
}

/// Small segments and caches, so that even a short run recycles segments, trims and reads from disk.
fn small_unit() -> LogServerConfig {
    LogServerConfig {
        segment_bytes: 256 << 10,
        cache_bytes_max: 32 << 10,
        reserve_bytes: 512 << 10,
        ..LogServerConfig::default()
    }
}
