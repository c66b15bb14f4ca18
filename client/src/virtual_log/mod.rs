//! The virtual log: a chain of loglets, kept in the MetaStore (Delos, OSDI'20, section 3).
//!
//! One procedure per file:
//!
//! - `start`: opens the log that the register names, founds a log, takes office (begins a segment of its own)
//! - `extend`: a reconfiguration: seals the active loglet, finds its end, and installs a successor
//! - `tend`: completes a reconfiguration that another process began and did not finish
//! - `listen`: follows the tails that the units of the active loglet tell
//! - `find_tail`, `read`, `follow`, `trim`: the other operations of the log
//! - `replicate`: gives storage units the cells that they missed; `lacking` counts them
//! - `change_units`: gives an ended segment another unit in the place of one that is lost for good
//! - `active`: the chain as this process knows it, and the loglet that takes appends

mod activate;
mod active;
mod change_units;
mod extend;
mod find_tail;
mod follow;
mod lacking;
mod listen;
mod loglet_of;
mod read;
mod replicate;
mod start;
mod tend;
mod trim;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use naxos_proto::chain::{Chain, LogletKind, LogletParams};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, MetaStore};
use naxos_proto::ids::{ChainVersion, LogId, LogletId, Lsn, StreamId};
use naxos_proto::seams::{Clock, Entropy};
use naxos_proto::streams::StreamTails;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use self::active::Active;
pub use self::change_units::UnitsChanged;
pub use self::lacking::SegmentCopies;
use crate::append_gate::AppendGate;
use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider};
use crate::reconfigure::{ChainRegister, Providers};
use crate::shared_log::{LogError, Record, SharedLog};

/// The settings of a virtual log.
#[derive(Clone, Debug)]
pub struct VirtualLogConfig {
    /// The id of the log.
    pub log: LogId,
    /// The kind of loglet for the first chain.
    pub kind: LogletKind,
    /// Where the first chain begins. It is 0, except after a recovery or a restore: then the log begins at the position
    /// at which the state that was recovered or restored ends.
    pub begin: Lsn,
    /// How long a sealed loglet may be without a successor before this process makes one. Until then, this process
    /// leaves that to the process that sealed the loglet.
    pub takeover_after: Duration,
}

/// What a virtual log needs.
#[derive(Clone)]
pub struct VirtualLogParts {
    /// The settings.
    pub config: VirtualLogConfig,
    /// The register that holds the chain.
    pub meta: Arc<dyn MetaStore>,
    /// The providers, one for each kind of loglet that this process can open.
    pub providers: Vec<Arc<dyn LogletProvider>>,
    /// The processes that are alive now. The value is replaced when a process comes or goes.
    pub alive: watch::Receiver<Liveness>,
    /// The clock for waits and for measuring pauses.
    pub clock: Arc<dyn Clock>,
    /// The source of ids for new loglets.
    pub entropy: Arc<dyn Entropy>,
}

/// The result of a finished reconfiguration.
#[derive(Clone, Debug)]
pub struct Reconfigured {
    /// The new version of the register.
    pub version: ChainVersion,
    /// The new chain.
    pub chain: Chain,
    /// How long appends had to wait.
    pub pause: Duration,
}

/// The virtual log; see the module. There is one for each log and process.
///
/// A log on one storage unit, which keeps it in a folder:
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use naxos_client::loglets::NativeProvider;
/// use naxos_client::streams::Log;
/// use naxos_client::{Liveness, MemoryMetaStore, VirtualLog, VirtualLogConfig, VirtualLogParts};
/// use naxos_log_server::disk::RealDisk;
/// use naxos_log_server::{LogServer, LogServerConfig};
/// use naxos_proto::chain::LogletKind;
/// use naxos_proto::contracts::{Sequencer, SequencerDirectory, StorageUnit, UnitDirectory};
/// use naxos_proto::ids::{Incarnation, LogId, Lsn, StorageId, StreamId};
/// use naxos_proto::seams::{BootClock, OsEntropy, Seams, SocketNet, ThreadWorker, start};
/// use naxos_sequencer::LocalSequencer;
/// use tokio::sync::watch;
/// use tokio_util::sync::CancellationToken;
///
/// /// The units that the log may use. Those of other machines are stubs of the same trait.
/// struct Units(Vec<Arc<dyn StorageUnit>>);
///
/// impl UnitDirectory for Units {
///     fn unit(&self, storage: StorageId) -> Option<Arc<dyn StorageUnit>> {
///         self.0.iter().find(|unit| unit.storage_id() == storage).cloned()
///     }
/// }
///
/// struct OneSequencer(Arc<LocalSequencer>);
///
/// impl SequencerDirectory for OneSequencer {
///     fn sequencer(&self, incarnation: Incarnation) -> Option<Arc<dyn Sequencer>> {
///         (self.0.incarnation() == incarnation).then(|| self.0.clone() as Arc<dyn Sequencer>)
///     }
/// }
///
/// # let folder = std::env::temp_dir().join(format!("naxos-client-example-{}", std::process::id()));
/// let seams = Seams {
///     clock: Arc::new(BootClock),
///     entropy: Arc::new(OsEntropy),
///     net: Arc::new(SocketNet),
///     disk: Arc::new(RealDisk::new(&folder)?),
///     worker: Arc::new(ThreadWorker),
/// };
/// let server = LogServer::open(seams, LogServerConfig::default(), CancellationToken::new()).await?;
/// let unit: Arc<dyn StorageUnit> = server.unit().clone();
/// let units = Arc::new(Units(vec![unit]));
///
/// // This process is also the sequencer. Its task sends again what a unit did not take.
/// let own = Incarnation { storage: server.storage_id(), boot: server.boot() };
/// let clock = Arc::new(BootClock);
/// let sequencer = Arc::new(LocalSequencer::new(own, units.clone(), clock.clone()));
/// let (tended, stop) = (sequencer.clone(), CancellationToken::new());
/// drop(start(&ThreadWorker, "sequencer", stop.clone(), |stop| async move { tended.tend(stop).await }));
///
/// let storages = vec![server.storage_id()];
/// let (_alive, alive) =
///     watch::channel(Liveness { sequencers: vec![own], units: storages, silent: Vec::new(), units_min: 1 });
/// let parts = VirtualLogParts {
///     config: VirtualLogConfig {
///         log: LogId(7),
///         kind: LogletKind::NATIVE,
///         begin: Lsn::ZERO,
///         takeover_after: Duration::from_millis(200),
///     },
///     // This register ends with the process. To find the log again after a restart, keep it on a disk, for example in the
///     // MetaStore of `naxos_log_server::meta`.
///     meta: Arc::new(MemoryMetaStore::default()),
///     providers: vec![Arc::new(NativeProvider::new(Arc::new(OneSequencer(sequencer)), units, clock.clone()))],
///     alive,
///     clock,
///     entropy: Arc::new(OsEntropy),
/// };
/// let shared = VirtualLog::start(parts).await?;
/// let log = Log::new(shared.clone());
/// let account = StreamId(1);
/// log.append_to(&[account], "10 from Ada").await?;
///
/// // A new segment begins, while the log is in use.
/// shared.reconfigure(None).await?;
/// let mut events = log.stream(account, log.oldest());
/// events.sync().await?;
/// assert_eq!(events.next().await?.expect("it was appended").body, "10 from Ada");
///
/// drop((events, log, shared));
/// stop.cancel();
/// server.shutdown().await?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct VirtualLog {
    config: VirtualLogConfig,
    register: ChainRegister,
    providers: Providers,
    alive: watch::Receiver<Liveness>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    active: ArcSwap<Active>,
    /// The version of `active`. Tasks wait here for a new one.
    version: watch::Sender<ChainVersion>,
    gate: Arc<AppendGate>,
    /// Held while this process changes the chain.
    reconfiguring: tokio::sync::Mutex<()>,
    /// Notified when an append or a tail check finds the loglet sealed.
    seal_met: Arc<Notify>,
    /// Loglets of sealed segments that are kept open for reading.
    sealed_loglets: Mutex<BTreeMap<LogletId, Arc<dyn Loglet>>>,
    /// Loglets whose segments have left the chain, but which some unit may still hold.
    gone: Mutex<Vec<LogletParams>>,
}

impl VirtualLog {
    /// The id of the log.
    pub fn id(&self) -> LogId {
        self.config.log
    }

    /// The chain as this process knows it, and its version.
    pub fn chain(&self) -> (ChainVersion, Chain) {
        let active = self.active.load();
        (active.version, active.chain.clone())
    }
}

fn unavailable(e: LogletError) -> LogError {
    LogError::Unavailable(e.to_string())
}

impl SharedLog for VirtualLog {
    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Lsn, AppendError>>) {
        self.gate.append(batch, done);
    }

    fn check_tail(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        Box::pin(self.find_tail())
    }

    fn stream_tails<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<StreamTails, LogError>> {
        Box::pin(async move {
            let active = self.active.load_full();
            active.loglet.stream_tails(streams).await.map_err(unavailable)
        })
    }

    fn check_tail_now(&self) -> Option<Lsn> {
        self.find_tail_now()
    }

    fn read(&self, from: Lsn, below: Lsn, max_bytes: usize) -> BoxFuture<'_, Result<(Vec<Record>, Lsn), LogError>> {
        Box::pin(self.read_some(from, below, max_bytes))
    }

    fn follow(self: Arc<Self>, from: Lsn) -> BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>> {
        follow::follow(self, from)
    }

    fn oldest(&self) -> Lsn {
        self.active.load().chain.start()
    }

    fn trim(&self, up_to: Lsn) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(self.trim_up_to(up_to))
    }

    fn ordinal(&self) -> u64 {
        self.active.load().chain.active().params.id.ordinal
    }
}
