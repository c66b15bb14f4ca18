//! Gives up a request that has waited for the log as long as etcd would: 5 s plus twice the election time-out.
//!
//! A timer for each request would cost more than everything else that a waiting request costs. So one task ticks, and
//! each request that waits at a tick looks at its own deadline. A request that is answered before the next tick
//! costs only an entry in the list of waiting requests. Each RPC runtime has a list and a task of its own, because a
//! shared list would need a lock that every request on every core takes.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use naxos_proto::seams::Clock;
use tokio::sync::Notify;

/// The time between two ticks.
const TICK: Duration = Duration::from_millis(250);
/// How long etcd waits for a request, without the time of the two elections that may happen meanwhile.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Deadlines {
    ticked: Notify,
    ticks: AtomicU64,
    /// A request that has seen this many ticks is given up.
    ticks_max: u64,
}

impl Deadlines {
    /// The deadlines of a node with this election time-out.
    pub(crate) fn new(election_timeout: Duration) -> Self {
        let limit = REQUEST_MAX + 2 * election_timeout;
        // The first tick may come right after the request began, so allow one more.
        let ticks_max = u64::try_from(limit.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX - 1) + 1;
        Self { ticked: Notify::new(), ticks: AtomicU64::new(0), ticks_max }
    }

    /// Ticks for ever. If it does not run, no request is ever given up.
    pub(crate) async fn run(&self, clock: &dyn Clock) {
        loop {
            clock.sleep(TICK).await;
            self.ticks.fetch_add(1, Ordering::Relaxed);
            self.ticked.notify_waiters();
        }
    }

    /// Returns the result of `work`; `None` if it did not come in time.
    /// # Cancel safety
    /// As cancel safe as `work`, which is dropped when its time is over.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let end = self.ticks.load(Ordering::Relaxed).saturating_add(self.ticks_max);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = self.ticked.notified() => {
                    if self.ticks.load(Ordering::Relaxed) >= end {
                        return None;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::sim::SimClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_given_up_after_etcds_time_and_what_answers_is_not() {
        let clock = SimClock::new(Duration::ZERO);
        let deadlines = Deadlines::new(Duration::from_secs(1));
        let began = clock.now();
        let slow = async {
            clock.sleep(Duration::from_millis(6_900)).await;
            7
        };
        tokio::select! {
            () = deadlines.run(&clock) => {}
            done = futures::future::join(deadlines.within(slow), deadlines.within(std::future::pending::<()>())) => {
                assert_eq!(done, (Some(7), None));
            }
        }
        let took = clock.now().since(began);
        assert!((Duration::from_secs(7)..Duration::from_millis(7_500)).contains(&took), "{took:?}");
    }
}
