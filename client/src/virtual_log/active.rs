//! [`Active`]: the chain as this process knows it, and the loglet that takes appends.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::chain::{Chain, LogletParams, Segment};
use naxos_proto::ids::{ChainVersion, Lsn};

use super::VirtualLog;
use crate::loglet::Loglet;
use crate::reconfigure::{ReconfigureError, VersionedChain};
use crate::shared_log::LogError;

/// At most this many loglets of sealed segments are kept open for reading.
const OPEN_LOGLETS_MAX: usize = 64;

/// How long a new segment waits for answers to appends that were sent to the sequencer of the old one. After that their
/// outcomes are unknown.
const OLD_ANSWERS_PATIENCE: Duration = Duration::from_millis(50);

/// How long the change to a new segment waits until its sequencer serves it.
const SERVE_PATIENCE: Duration = Duration::from_millis(300);

/// The chain as this process knows it; see the module.
pub(super) struct Active {
    pub(super) version: ChainVersion,
    pub(super) chain: Chain,
    /// The loglet of the chain's last segment.
    pub(super) loglet: Arc<dyn Loglet>,
}

impl Active {
    /// The first position of the segment that takes appends.
    pub(super) fn start(&self) -> Lsn {
        self.chain.active().start
    }

    /// The segment that holds `lsn`.
    pub(super) fn segment_of(&self, lsn: Lsn) -> Result<&Segment, LogError> {
        self.chain.segment_of(lsn).ok_or(LogError::Trimmed(self.chain.start()))
    }
}

impl VirtualLog {
    /// Adopts the chain `found` and sends appends to its last segment. Before that, makes the loglet's sequencer serve
    /// it, which is allowed because the chain names the loglet now. The chain is adopted even if the sequencer does not
    /// serve: the sequencer may have died, and only a process that knows this chain can name another sequencer.
    pub(super) async fn activate(&self, found: VersionedChain) -> Result<(), ReconfigureError> {
        self.refuse_older(&found)?;
        let VersionedChain { version, chain } = found;
        let segment = chain.active().clone();
        self.serve(&segment.params).await?;
        let loglet = self.providers.open(&segment.params)?;
        let old = self.gate.loglet();
        let old = chain.segments.iter().find(|s| s.params.id == old);
        let old_end = old.and_then(|s| s.end.map(|end| s.offset(end)));
        let old_loglet = Arc::clone(&self.active.load().loglet);
        self.set_active(Active { version, chain, loglet: Arc::clone(&loglet) });
        self.gate.switch(loglet, segment.start, old_end);
        old_loglet.retire(old_end);
        tokio::select! {
            biased;
            () = self.gate.has_switched() => {}
            () = self.clock.sleep(OLD_ANSWERS_PATIENCE) => self.gate.give_up_old(),
        }
        Ok(())
    }

    /// Makes the sequencer of the loglet `params` serve that loglet, which a chain names as its last one. If the
    /// sequencer refuses, or does not answer soon, this is only logged.
    pub(super) async fn serve(&self, params: &LogletParams) -> Result<(), ReconfigureError> {
        let provider = self.providers.of(params.kind)?;
        tokio::select! {
            biased;
            served = provider.serve(params) => if let Err(error) = served {
                tracing::warn!(%error, "the sequencer of the active segment does not serve it");
            },
            () = self.clock.sleep(SERVE_PATIENCE) => {
                tracing::warn!(loglet = %params.id, "the sequencer of the active segment does not answer");
            }
        }
        Ok(())
    }

    /// Refuses a chain that is older than the one that this process knows.
    pub(super) fn refuse_older(&self, found: &VersionedChain) -> Result<(), ReconfigureError> {
        let (found, known) = (found.version, self.active.load().version);
        if found < known { Err(ReconfigureError::WentBack { found, known }) } else { Ok(()) }
    }

    /// Adopts the chain `now`. If its last segment is still the one that takes appends, appends are not interrupted.
    pub(super) async fn go_over_to(&self, now: VersionedChain) -> Result<(), ReconfigureError> {
        let active = self.active.load_full();
        if now.version == active.version {
            return Ok(());
        }
        self.refuse_older(&now)?;
        if now.chain.active().params.id != active.loglet.params().id {
            return self.activate(now).await;
        }
        let loglet = Arc::clone(&active.loglet);
        self.set_active(Active { version: now.version, chain: now.chain, loglet });
        Ok(())
    }

    /// Publishes `active` to readers, and wakes tasks that wait for a new chain.
    pub(super) fn set_active(&self, active: Active) {
        let version = active.version;
        self.active.store(Arc::new(active));
        self.version.send_replace(version);
    }

    /// The loglet of a segment of `active`, opened for reading. A segment that has ended may get other units. Then its
    /// loglet is opened again. Readers that still use the earlier units find the same cells there.
    pub(super) fn loglet_of(&self, active: &Active, segment: &Segment) -> Result<Arc<dyn Loglet>, LogError> {
        let id = segment.params.id;
        if id == active.loglet.params().id {
            return Ok(Arc::clone(&active.loglet));
        }
        let mut open = self.sealed_loglets.lock();
        if let Some(found) = open.get(&id).filter(|found| *found.params() == segment.params) {
            return Ok(Arc::clone(found));
        }
        let loglet = self.providers.open(&segment.params).map_err(super::unavailable)?;
        if open.len() >= OPEN_LOGLETS_MAX {
            open.pop_first();
        }
        open.insert(id, Arc::clone(&loglet));
        Ok(loglet)
    }
}
