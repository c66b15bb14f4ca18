//! Completes a reconfiguration that another process began and did not finish.

use std::sync::Arc;

use naxos_proto::ids::{ChainVersion, LogletId};
use naxos_proto::tail::Tail;
use tokio_util::sync::CancellationToken;

use super::VirtualLog;
use crate::reconfigure::ReconfigureError;

impl VirtualLog {
    /// Watches for a sealed loglet without a successor, waits, and then completes the reconfiguration. Runs until
    /// `stop`.
    pub async fn tend(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.seal_met.notified() => {}
            }
            let seen = self.gate.loglet();
            self.clock.sleep(self.config.takeover_after).await;
            // The wake-up may be older than the loglet that is active now.
            if self.gate.loglet() != seen || !self.has_ended().await {
                continue;
            }
            if let Err(e) = self.take_over(seen).await {
                tracing::warn!(error = %e, "the sealed log has no successor yet; trying again");
                self.seal_met.notify_one();
            }
        }
    }

    /// Reads the chain from the register, and adopts it if its version is not `seen`. Returns whether it was adopted.
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

    /// Whether the loglet that takes appends has ended, as far as can be found out.
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
