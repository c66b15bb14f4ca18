//! Completes a reconfiguration that another process began and did not finish.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::ids::{ChainVersion, LogletId};
use naxos_proto::tail::Tail;
use tokio_util::sync::CancellationToken;

use super::VirtualLog;
use crate::reconfigure::ReconfigureError;

/// The time between two looks for the successor of a sealed loglet.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl VirtualLog {
    /// Watches for a sealed loglet without a successor, waits a while for a successor, and then completes the
    /// reconfiguration. Runs until `stop`.
    pub async fn tend(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.seal_met.notified() => {}
            }
            let seen = self.gate.loglet();
            self.wait_for_successor_of(seen).await;
            // The wake-up may be older than the loglet that is active now.
            if self.gate.loglet() != seen || !self.has_ended().await {
                continue;
            }
            if let Err(e) = self.take_over(seen).await {
                tracing::warn!(error = %e, "the sealed loglet has no successor yet; trying again");
                self.seal_met.notify_one();
            }
        }
    }

    /// Reads the register again and again for `takeover_after`, until it names a successor. The process that installed
    /// the successor may end before it can tell the others.
    async fn wait_for_successor_of(&self, sealed: LogletId) {
        let end = self.clock.now().after(self.config.takeover_after);
        while self.clock.now() < end && self.gate.loglet() == sealed {
            self.clock.sleep(LOOK_EVERY.min(self.config.takeover_after)).await;
            // If the register cannot be read, the caller will say so.
            let _ = self.adopt_newer(self.active.load().version).await;
        }
    }

    /// Reads the chain from the register, and adopts it if its version is not `seen`. Reads nothing if this process
    /// knows another version than `seen` already. Returns whether this process knows another version than `seen` now.
    /// # Cancel safety
    /// Not cancel safe: run it in a task of its own.
    pub async fn adopt_newer(&self, seen: ChainVersion) -> Result<bool, ReconfigureError> {
        let _one = self.reconfiguring.lock().await;
        if self.active.load().version != seen {
            return Ok(true);
        }
        let found = self.register.get().await?;
        let is_newer = found.version != seen;
        if is_newer {
            self.go_over_to(found).await?;
        }
        Ok(is_newer)
    }

    /// Whether the loglet that takes appends has ended. It counts as ended, too, if its tail check fails.
    async fn has_ended(&self) -> bool {
        let loglet = Arc::clone(&self.active.load().loglet);
        self.gate.needs_successor() || !matches!(loglet.check_tail().await, Ok(Tail::Open(_)))
    }

    /// Adopts the chain that has been installed since loglet `sealed` ended. If there is none, reconfigures the log.
    /// While this call waits for its turn, this process may itself have installed or adopted such a chain.
    async fn take_over(&self, sealed: LogletId) -> Result<(), ReconfigureError> {
        {
            let _one = self.reconfiguring.lock().await;
            let found = self.register.get().await?;
            if found.chain.active().params.id != sealed {
                return self.go_over_to(found).await;
            }
        }
        self.reconfigure(None).await.map(drop)
    }
}
