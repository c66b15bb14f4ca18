//! Following the tail that the last unit tells. Everything below that tail is on every unit. So followers in this process
//! get the cells that other processes append, and those processes need not send a message for it.

use std::time::Duration;

use futures::StreamExt;

use super::unit_chain::UnitChain;

/// The time between two attempts to follow the unit.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

impl UnitChain {
    /// Follows the tail of the last unit. Never resolves.
    pub(super) async fn listen_to_last(&self) {
        loop {
            let mut tails = self.last().tell_tails(self.id);
            while let Some(Ok(tail)) = tails.next().await {
                if tail.sealed {
                    // A repair may have raised this tail, so it says nothing (`docs/protocol.md`, cluster 3). The unit
                    // tells no further tail.
                    return std::future::pending().await;
                }
                self.learn(tail.tail);
            }
            self.copies.clock.sleep(RETRY_INTERVAL).await;
        }
    }
}
