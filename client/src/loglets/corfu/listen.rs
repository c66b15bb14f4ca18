//! Following the tail that the last unit tells. Everything below it is on every unit, so followers of this process get
//! what other processes append without a message of those.

use std::time::Duration;

use futures::StreamExt;

use super::unit_chain::UnitChain;

/// The time between two attempts to follow the unit, if it cannot be followed.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

impl UnitChain {
    /// Follows the tail of the last unit. Resolves never.
    pub(super) async fn listen_to_last(&self) {
        loop {
            let mut tails = self.last().tell_tails(self.id);
            while let Some(Ok(tail)) = tails.next().await {
                if tail.sealed {
                    // A repair may have raised this tail (`docs/protocol.md`, cluster 3), and nothing comes after it.
                    return std::future::pending().await;
                }
                self.learn(tail.tail);
            }
            self.copies.clock.sleep(RETRY_INTERVAL).await;
        }
    }
}
