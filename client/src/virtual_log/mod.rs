//! The virtual log: a chain of loglets, kept in the MetaStore (Delos, OSDI'20, section 3).
//!
//! One procedure per file:
//!
//! - `start`: opening what the register names, founding a log, taking office
//! - `extend`: a reconfiguration: seal, find the tail, install a successor, go on
//! - `tend`: completes a change that somebody else began and did not finish
//! - `find_tail`, `read`, `follow`, `trim`: what the log answers
//! - `active`: the chain as this process knows it, and the loglet that takes appends

mod active;
mod extend;
mod find_tail;
mod follow;
mod read;
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
use crate::append_gate::AppendGate;
use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider};
use crate::reconfigure::{ChainRegister, Providers};
use crate::shared_log::{LogError, Record, SharedLog};

/// What a virtual log is told about itself.
#[derive(Clone, Debug)]
pub struct VirtualLogConfig {
    /// The log.
    pub log: LogId,
    /// The kind of loglet that a first chain gets.
    pub kind: LogletKind,
    /// How long a seal without a successor is left to whoever began the change.
    pub takeover_after: Duration,
}

/// What a virtual log is made of.
#[derive(Clone)]
pub struct VirtualLogParts {
    /// See there.
    pub config: VirtualLogConfig,
    /// The register that holds the chain.
    pub meta: Arc<dyn MetaStore>,
    /// One for each kind of loglet that this process can open.
    pub providers: Vec<Arc<dyn LogletProvider>>,
    /// Who is alive, as it changes.
    pub alive: watch::Receiver<Liveness>,
    /// For waits.
    pub clock: Arc<dyn Clock>,
    /// For the ids of new loglets.
    pub entropy: Arc<dyn Entropy>,
}

/// A finished reconfiguration.
#[derive(Clone, Debug)]
pub struct Reconfigured {
    /// The register's version now.
    pub version: ChainVersion,
    /// The chain now.
    pub chain: Chain,
    /// How long appends waited.
    pub pause: Duration,
}

/// See the module. One for each log and process.
pub struct VirtualLog {
    config: VirtualLogConfig,
    register: ChainRegister,
    providers: Providers,
    alive: watch::Receiver<Liveness>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    active: ArcSwap<Active>,
    /// The version of `active`, for those who wait until it changes.
    version: watch::Sender<ChainVersion>,
    gate: Arc<AppendGate>,
    /// Held by whoever changes the chain in this process.
    reconfiguring: tokio::sync::Mutex<()>,
    /// Told when an append or a tail check meets a seal.
    seal_met: Arc<Notify>,
    /// Loglets of sealed segments that are open for reading.
    sealed_loglets: Mutex<BTreeMap<LogletId, Arc<dyn Loglet>>>,
    /// Loglets whose segments have left the chain and that some unit may still hold.
    gone: Mutex<Vec<LogletParams>>,
}

impl VirtualLog {
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
