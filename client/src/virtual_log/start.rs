//! How a process begins to use a log. It opens the log, founds it, or takes office, which begins a segment of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use naxos_proto::chain::{Chain, Segment};
use naxos_proto::ids::{ChainVersion, LogletId};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::{Active, Reconfigured, VirtualLog, VirtualLogParts};
use crate::append_gate::AppendGate;
use crate::reconfigure::{ChainRegister, Installed, Providers, ReconfigureError, VersionedChain};

impl VirtualLog {
    /// Reads the chain from the register. This changes nothing, here or elsewhere: no loglet is sealed, and no
    /// sequencer begins to serve. Returns [`ReconfigureError::NoChain`] if the log was never founded.
    /// # Cancel safety: nothing is lost when dropped.
    pub async fn open(parts: VirtualLogParts) -> Result<Arc<VirtualLog>, ReconfigureError> {
        let found = ChainRegister::new(Arc::clone(&parts.meta), parts.config.log).get().await?;
        Self::with_chain(parts, found)
    }

    /// Makes the first chain and opens it. The chain has one loglet, whose sequencer and units are chosen from those
    /// alive. If another process has founded the log meanwhile, opens that log.
    /// # Cancel safety
    /// A dropped call may or may not have founded the log.
    pub async fn found(parts: VirtualLogParts) -> Result<Arc<VirtualLog>, ReconfigureError> {
        let register = ChainRegister::new(Arc::clone(&parts.meta), parts.config.log);
        let log = parts.config.log;
        let id = LogletId { log, ordinal: 1, nonce: parts.entropy.id() };
        let providers = Providers::new(parts.providers.clone());
        let provider = providers.of(parts.config.kind)?;
        let alive = parts.alive.borrow().clone();
        let params = provider.choose_params(id, &alive)?;
        provider.prepare(&params).await?;
        let start = parts.config.begin;
        let chain = Chain { log, segments: vec![Segment { start, end: None, params: params.clone() }] };
        match register.install(ChainVersion(0), chain).await? {
            Installed::Ours(found) => {
                provider.serve(&params, start).await?;
                Self::with_chain(parts, found)
            }
            // The other founder may have died before it told the sequencer, which may be in this process.
            Installed::Theirs(found) => Self::with_chain(parts, found)?.serving().await,
        }
    }

    /// Opens the log as [`Self::open`] does, and makes the sequencer of the active segment serve it. This is for a member of
    /// a cluster. The process that installed the chain may not know that it did, because the answer was lost. Then nobody has
    /// told the sequencer, and its own process has to find out by itself.
    /// # Cancel safety: nothing is lost when dropped.
    pub async fn join(parts: VirtualLogParts) -> Result<Arc<VirtualLog>, ReconfigureError> {
        Self::open(parts).await?.serving().await
    }

    async fn serving(self: Arc<Self>) -> Result<Arc<VirtualLog>, ReconfigureError> {
        self.serve(self.active.load_full().chain.active()).await?;
        Ok(self)
    }

    /// Opens the log and takes office, or founds the log if there is none. This is for a process that is going to
    /// sequence the log. If another process founds the log meanwhile, this one only opens it and does not take office.
    /// # Cancel safety
    /// Not cancel safe, as [`Self::reconfigure`] is not.
    pub async fn start(parts: VirtualLogParts) -> Result<Arc<VirtualLog>, ReconfigureError> {
        match Self::open(parts.clone()).await {
            Ok(log) => {
                log.take_office().await?;
                Ok(log)
            }
            Err(ReconfigureError::NoChain) => Self::found(parts).await,
            Err(other) => Err(other),
        }
    }

    /// Ends the active segment and begins one whose sequencer is the best of those alive. A loglet has the same
    /// incarnation of its sequencer for its whole life, so a new process has to begin a loglet of its own before it
    /// can sequence (safety rule 4).
    /// # Cancel safety
    /// Not cancel safe: run it in a task of its own.
    pub async fn take_office(&self) -> Result<Reconfigured, ReconfigureError> {
        self.reconfigure(None).await
    }

    fn with_chain(parts: VirtualLogParts, found: VersionedChain) -> Result<Arc<VirtualLog>, ReconfigureError> {
        let VirtualLogParts { config, meta, providers, alive, clock, entropy } = parts;
        let VersionedChain { version, chain } = found;
        let providers = Providers::new(providers);
        let loglet = providers.open(&chain.active().params)?;
        let active = Active { version, chain, loglet: Arc::clone(&loglet) };
        let seal_met = Arc::new(Notify::new());
        let notify = Arc::clone(&seal_met);
        // `Notify` keeps one permit, so a seal that is found before `tend` waits is not missed.
        let gate = AppendGate::new(loglet, active.start(), Box::new(move || notify.notify_one()));
        Ok(Arc::new(VirtualLog {
            register: ChainRegister::new(meta, config.log),
            config,
            providers,
            alive,
            clock,
            entropy,
            active: ArcSwap::from_pointee(active),
            version: watch::Sender::new(version),
            gate,
            reconfiguring: tokio::sync::Mutex::new(()),
            seal_met,
            sealed_loglets: Mutex::new(BTreeMap::new()),
            gone: Mutex::new(Vec::new()),
        }))
    }
}
