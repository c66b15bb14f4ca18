//! Reconfiguration: seal, find the tail, install by compare-and-swap, go on (Delos, OSDI'20, section 3.2).
//!
//! Each edit is computed from the chain that was just read through a quorum. Who loses the race adopts the winner's
//! chain; the loser's loglet is an orphan that nothing names, and its id is never used again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos_proto::chain::{Chain, LogletKind, Segment};
use naxos_proto::codec::DecodeError;
use naxos_proto::contracts::{MetaError, MetaStore, PutOutcome};
use naxos_proto::ids::{ChainVersion, LogletId, Lsn};
use naxos_proto::seams::Entropy;
use tokio_util::sync::CancellationToken;

use crate::loglet::{Liveness, LogletError, LogletProvider};
use crate::virtual_log::{Active, VirtualLog, VirtualLogConfig, open_loglet};

/// Why the chain was not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// The register did not answer.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// The register holds no chain.
    #[error("the metadata store holds no chain that this build reads: {0}")]
    Chain(#[from] DecodeError),
    /// A loglet did not answer.
    #[error(transparent)]
    Loglet(#[from] LogletError),
    /// Somebody else changed the chain meanwhile: theirs holds.
    #[error("another reconfiguration won; the chain has version {0}")]
    Lost(ChainVersion),
    /// The register belongs to another log.
    #[error("the metadata store belongs to log {found:016x}, this node to log {expected:016x}")]
    OtherLog {
        /// In the register.
        found: u64,
        /// In this node's configuration.
        expected: u64,
    },
    /// No provider for the kind that was asked for.
    #[error("this node has no loglets of kind {0}")]
    Kind(&'static str),
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

type Providers = BTreeMap<LogletKind, Arc<dyn LogletProvider>>;

fn provider(providers: &Providers, kind: LogletKind) -> Result<&Arc<dyn LogletProvider>, ReconfigureError> {
    providers.get(&kind).ok_or(ReconfigureError::Kind(kind.name()))
}

/// Writes `chain` if the register still has version `expected`.
pub(crate) async fn install(
    meta: &dyn MetaStore,
    expected: ChainVersion,
    chain: &Chain,
) -> Result<ChainVersion, ReconfigureError> {
    chain.check()?;
    match meta.put(expected, chain.encode()).await? {
        PutOutcome::Ok(version) => Ok(version),
        PutOutcome::Conflict(now) => Err(ReconfigureError::Lost(now.version)),
    }
}

async fn fetch(
    config: &VirtualLogConfig,
    meta: &dyn MetaStore,
) -> Result<(ChainVersion, Option<Chain>), ReconfigureError> {
    let value = meta.get().await?;
    if value.version == ChainVersion(0) {
        return Ok((value.version, None));
    }
    let chain = Chain::decode(value.bytes)?;
    if chain.log != config.log {
        return Err(ReconfigureError::OtherLog { found: chain.log.0, expected: config.log.0 });
    }
    Ok((value.version, Some(chain)))
}

/// At a process's start: makes the first chain, or ends the segment of the previous life and begins one of this life.
pub(crate) async fn start(
    config: &VirtualLogConfig,
    meta: &dyn MetaStore,
    providers: &Providers,
    alive: &Liveness,
    entropy: &dyn Entropy,
) -> Result<Active, ReconfigureError> {
    let (version, found) = fetch(config, meta).await?;
    let ordinal = found.as_ref().map_or(0, |c| c.active().params.id.ordinal) + 1;
    let kind = found.as_ref().map_or(config.kind, |c| c.active().params.kind);
    let id = LogletId { log: config.log, ordinal, nonce: entropy.id() };
    let maker = provider(providers, kind)?;
    let params = maker.propose(id, alive)?;
    maker.prepare(&params).await?;
    let chain = match found {
        None => Chain { log: config.log, segments: vec![Segment { start: Lsn::ZERO, end: None, params }] },
        Some(old) => {
            let active = old.active();
            let end = active.lsn(provider(providers, active.params.kind)?.open(&active.params)?.seal().await?);
            old.extended(end, params)
        }
    };
    let version = install(meta, version, &chain).await?;
    let params = &chain.active().params;
    maker.serve(params).await?;
    let loglet = maker.open(params)?;
    Ok(Active { version, chain, loglet })
}

impl VirtualLog {
    /// Ends the active segment and begins another one of kind `kind` (the same kind if `None`), live. Appends wait
    /// meanwhile and go on in order; nobody sees an error.
    ///
    /// # Cancel safety
    /// Not cancel safe: run it in a task of its own.
    pub async fn reconfigure(&self, kind: Option<LogletKind>) -> Result<Reconfigured, ReconfigureError> {
        let _one = self.reconfiguring.lock().await;
        let began = self.clock.now();
        let done = self.extend(kind).await;
        match done {
            Ok((version, chain, closed_at)) => {
                let pause = self.clock.now().since(closed_at);
                tracing::info!(
                    ordinal = chain.active().params.id.ordinal,
                    segment_start = chain.active().start.0,
                    kind = chain.active().params.kind.name(),
                    pause_us = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX),
                    took_us = u64::try_from(self.clock.now().since(began).as_micros()).unwrap_or(u64::MAX),
                    "reconfigured the log"
                );
                Ok(Reconfigured { version, chain, pause })
            }
            Err(e) => {
                // The old loglet may be sealed already: then the gate closes again by itself at the next append.
                self.gate.abandon();
                Err(e)
            }
        }
    }

    async fn extend(
        &self,
        kind: Option<LogletKind>,
    ) -> Result<(ChainVersion, Chain, naxos_proto::seams::Instant), ReconfigureError> {
        let (version, chain) = fetch(&self.config, &*self.meta).await?;
        let chain = chain.ok_or(ReconfigureError::Lost(version))?;
        let old = chain.active().clone();
        let kind = kind.unwrap_or(old.params.kind);
        let id = LogletId { log: self.config.log, ordinal: old.params.id.ordinal + 1, nonce: self.entropy.id() };
        let maker = provider(&self.providers, kind)?;
        let params = maker.propose(id, &(self.alive)())?;
        // The successor is made before the seal, so that appends wait for one sync less.
        maker.prepare(&params).await?;
        self.gate.close();
        let closed_at = self.clock.now();
        let sealed = open_loglet(&self.providers, old.params.kind, |p| p.open(&old.params))
            .map_err(|e| LogletError::Unavailable(e.to_string()))?;
        let end = old.lsn(sealed.seal().await?);
        let chain = chain.extended(end, params);
        let version = match install(&*self.meta, version, &chain).await {
            Ok(version) => version,
            Err(ReconfigureError::Lost(_)) => return self.adopt(closed_at).await,
            Err(other) => return Err(other),
        };
        self.activate(version, chain.clone()).await?;
        Ok((version, chain, closed_at))
    }

    /// Goes over to the chain that somebody else installed.
    async fn adopt(
        &self,
        closed_at: naxos_proto::seams::Instant,
    ) -> Result<(ChainVersion, Chain, naxos_proto::seams::Instant), ReconfigureError> {
        let (version, chain) = fetch(&self.config, &*self.meta).await?;
        let chain = chain.ok_or(ReconfigureError::Lost(version))?;
        self.activate(version, chain.clone()).await?;
        Ok((version, chain, closed_at))
    }

    async fn activate(&self, version: ChainVersion, chain: Chain) -> Result<(), ReconfigureError> {
        let segment = chain.active().clone();
        let provider = provider(&self.providers, segment.params.kind)?;
        provider.serve(&segment.params).await?;
        let loglet = provider.open(&segment.params)?;
        self.active.store(Arc::new(Active { version, chain, loglet: Arc::clone(&loglet) }));
        self.gate.switch(loglet, segment.start);
        Ok(())
    }

    /// Watches for seals that nobody follows up, and completes the change after a wait. Runs until `stop`.
    pub async fn tend(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.seal_met.notified() => {}
            }
            let seen = self.active.load().version;
            self.clock.sleep(self.config.takeover_after).await;
            if self.active.load().version != seen {
                continue;
            }
            if let Err(e) = self.take_over(seen).await {
                tracing::warn!(error = %e, "the sealed log has no successor yet; trying again");
                self.seal_met.notify_one();
            }
        }
    }

    async fn take_over(&self, seen: ChainVersion) -> Result<(), ReconfigureError> {
        {
            let _one = self.reconfiguring.lock().await;
            let (version, chain) = fetch(&self.config, &*self.meta).await?;
            if version > seen
                && let Some(chain) = chain
            {
                return self.activate(version, chain).await;
            }
        }
        self.reconfigure(None).await.map(drop)
    }
}
