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

mod active;
mod change_units;
mod extend;
mod find_tail;
mod follow;
mod lacking;
mod listen;
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
use naxos_proto::ids::{ChainVersion, LogId, LogletId, Lsn};
use naxos_proto::seams::{Clock, Entropy};
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

    fn check_tail_now(&self) -> Option<Lsn> {
        self.find_tail_now()
    }

    fn read(&self, from: Lsn, below: Lsn, max_bytes: usize) -> BoxFuture<'_, Result<(Vec<Record>, Lsn), LogError>> {
        Box::pin(self.read_some(from, below, max_bytes))
    }

    fn follow(self: Arc<Self>, from: Lsn) -> BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>> {
        follow::follow(self, from)
    }

    fn trim(&self, up_to: Lsn) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(self.trim_up_to(up_to))
    }

    fn ordinal(&self) -> u64 {
        self.active.load().chain.active().params.id.ordinal
    }
}
