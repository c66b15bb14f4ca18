//! Completes a reconfiguration that another process began and did not finish.

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
            let seen = self.active.load().version;
            self.clock.sleep(self.config.takeover_after).await;
            if self.active.load().version != seen {
                continue;
            }
            if let Err(e) = self.take_over().await {
                tracing::warn!(error = %e, "the sealed log has no successor yet; trying again");
                self.seal_met.notify_one();
            }
        }
    }

    /// Adopts the chain that another process has installed. If there is none, reconfigures the log.
    async fn take_over(&self) -> Result<(), ReconfigureError> {
        {
            let _one = self.reconfiguring.lock().await;
            let sealed = self.active.load().chain.active().params.id;
            let found = self.register.get().await?;
            if found.chain.active().params.id != sealed {
                return self.activate(found).await;
            }
        }
        self.reconfigure(None).await.map(drop)
    }
}
