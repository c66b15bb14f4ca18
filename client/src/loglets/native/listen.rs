//! Following the tails that the units tell.
//!
//! A write quorum of units is enough, and each told tail costs a message. So a node always follows a write quorum only:
//! its own unit, the unit of the sequencer's node, because that gets each store first, and as many more as are needed.
//! After an append has waited for long, the node follows the rest too for a while, because then one of the units that
//! it always follows is slow or lost.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::NativeLoglet;
use super::direct::Direct;

/// The time between two attempts to follow a unit that cannot be followed. The loglet is opened on slow units only after
/// the chain names it.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// How long an append whose sequencer is lost waits for the units. A cell that has reached them is durable sooner.
const LOST_PATIENCE: Duration = Duration::from_secs(1);
/// After an append has waited for this long, all units are followed.
const SLOW_AFTER: Duration = Duration::from_millis(10);
/// For how long they are followed then.
const SLOW_FOR: Duration = Duration::from_secs(1);

impl NativeLoglet {
    /// Follows the tails of the units. Never resolves.
    pub(super) async fn listen_to_units(&self) {
        let Some(direct) = &self.direct else { return std::future::pending().await };
        let _listening = direct.begin_to_listen();
        let (always, sometimes) = self.listened_to();
        let expires = direct.expire(|| self.copies.clock.sleep(LOST_PATIENCE));
        tokio::join!(expires, self.hear_all(direct, &always), self.hear_while_slow(direct, &sometimes));
    }

    /// The indexes of the units: a write quorum that is always followed, and the others.
    fn listened_to(&self) -> (Vec<usize>, Vec<usize>) {
        let mut always: Vec<usize> = (0..self.copies.units.len()).collect();
        always.sort_by_key(|unit| {
            (!self.copies.is_near[*unit], self.native.units[*unit] != self.native.sequencer.storage)
        });
        let sometimes = always.split_off(self.quorums().write());
        (always, sometimes)
    }

    /// Each time an append has waited for [`SLOW_AFTER`], follows some units for [`SLOW_FOR`]. Never resolves.
    async fn hear_while_slow(&self, direct: &Direct, units: &[usize]) {
        loop {
            direct.has_waiting().await;
            let oldest = direct.oldest();
            self.copies.clock.sleep(SLOW_AFTER).await;
            if oldest.is_some() && direct.oldest() == oldest {
                tokio::select! {
                    () = self.hear_all(direct, units) => {}
                    () = self.copies.clock.sleep(SLOW_FOR) => {}
                }
            }
        }
    }

    /// Follows some units, until they are sealed.
    async fn hear_all(&self, direct: &Direct, units: &[usize]) {
        let mut following: FuturesUnordered<_> = units.iter().map(|unit| self.hear(direct, *unit)).collect();
        while following.next().await.is_some() {}
    }

    /// Follows the tail of one unit, until the unit is sealed.
    async fn hear(&self, direct: &Direct, unit: usize) {
        let id = self.params.id;
        loop {
            let mut tails = self.copies.units[unit].tell_tails(id);
            while let Some(Ok(tail)) = tails.next().await {
                // The unit of this node passes the cells on to its followers at once. It is told the known tail even if
                // this tail did not raise it: an answer of the sequencer may have raised it, or the loglet may not have
                // been open on the unit when it rose.
                let known_tail = direct.told(unit, tail);
                self.copies.near_units().for_each(|unit| unit.advance(id, known_tail));
                if tail.sealed {
                    return;
                }
            }
            self.copies.clock.sleep(RETRY_INTERVAL).await;
        }
    }
}
