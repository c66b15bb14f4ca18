//! Adopts chains: appends go to the loglet of the newest chain's last segment.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::chain::Segment;

use super::VirtualLog;
use super::active::Active;
use crate::reconfigure::{ReconfigureError, VersionedChain};

/// How long a new segment waits for answers to appends that were sent to the sequencer of the old one. After that their
/// outcomes are unknown.
const OLD_ANSWERS_PATIENCE: Duration = Duration::from_millis(50);

/// How long the change to a new segment waits until its sequencer serves it.
const SERVE_PATIENCE: Duration = Duration::from_millis(300);

impl VirtualLog {
    /// Adopts the chain `found` and sends appends to its last segment. Before that, makes the loglet's sequencer serve
    /// it, which is allowed because the chain names the loglet now. The chain is adopted even if the sequencer does not
    /// serve: the sequencer may have died, and only a process that knows this chain can name another sequencer.
    pub(super) async fn activate(&self, found: VersionedChain) -> Result<(), ReconfigureError> {
        self.refuse_older(&found)?;
        let VersionedChain { version, chain } = found;
        let segment = chain.active().clone();
        self.serve(&segment).await?;
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

    /// Makes the sequencer of the last segment of a chain serve the loglet of that segment. If the sequencer refuses, or
    /// does not answer soon, this is only logged.
    pub(super) async fn serve(&self, segment: &Segment) -> Result<(), ReconfigureError> {
        let params = &segment.params;
        let provider = self.providers.of(params.kind)?;
        tokio::select! {
            biased;
            served = provider.serve(params, segment.start) => if let Err(error) = served {
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
}
