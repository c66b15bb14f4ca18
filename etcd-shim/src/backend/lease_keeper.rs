//! Decides when leases end. One node, the keeper, decides it by its own clock. Deadlines are not replicated.
//!
//! - The keeper is the node whose process is the sequencer of the log. If that process replays no log, another node is
//!   the keeper (see `Backend::loglet_to_keep_leases_under`). The keeper takes office by an entry in the log that names
//!   the active loglet.
//! - The commands by which it ends leases carry that loglet's id. Apply drops those that carry the id of another
//!   loglet. So a node that was suspended, and meanwhile replaced as the keeper, ends no lease when it goes on.
//! - It acknowledges a keep-alive only after a tail check that began after the request.
//! - It ticks only while tail checks succeed, because while tail checks fail, clients cannot renew their leases. When
//!   its ticks had a gap, because the process or the log stood still, it extends every lease by the length of that gap.
//! - When another node was the keeper before it, all leases get their full time-to-live again, as in etcd when the
//!   leader changes. If it was the keeper itself, the log was only reconfigured, and the leases go on as they are.
//! - When the keeper has proposed to end a lease, the lease may be gone at any time. So a keep-alive for it waits until
//!   the log has decided.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos_proto::ids::{LogletId, StorageId};
use naxos_proto::seams::{Clock, Instant, rest_after};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::state::Keeper;

/// The time between two looks for leases that have run out.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// If the time between two ticks is longer than this, clients may have been unable to renew their leases meanwhile.
const GAP: Duration = Duration::from_secs(1);
/// If a lease has not ended this long after its end was proposed, its end is proposed again.
const PROPOSE_AGAIN: Duration = Duration::from_secs(3);
/// The ends of at most this many leases are proposed together: few enough to fit into one entry of the log, and to let
/// requests come in between.
const EXPIRIES_AT_ONCE: usize = 250;

#[derive(Clone, Copy)]
struct Deadline {
    ttl: i64,
    at: Instant,
    /// When this node, as the keeper in office, proposed to end the lease. `None` if it has not.
    proposed: Option<Instant>,
}

impl Deadline {
    fn from(now: Instant, ttl: i64) -> Self {
        Self { ttl, at: now.after(seconds(ttl)), proposed: None }
    }
}

struct State {
    /// The keeper in office. It may be another node.
    keeper: Keeper,
    deadlines: BTreeMap<i64, Deadline>,
    last_tick: Instant,
}

/// See the module.
pub(crate) struct LeaseKeeper {
    clock: Arc<dyn Clock>,
    /// The storage id of this node's data directory.
    own: StorageId,
    state: Mutex<State>,
    /// Notified when a lease has ended and when a keeper has taken office.
    decided: Notify,
}

fn seconds(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}

impl LeaseKeeper {
    /// The deadlines on the node with data directory `own`. `keeper` is the keeper in office according to the store.
    pub(crate) fn new(clock: Arc<dyn Clock>, own: StorageId, keeper: Keeper) -> Arc<Self> {
        let state = State { keeper, deadlines: BTreeMap::new(), last_tick: clock.now() };
        Arc::new(Self { clock, own, state: Mutex::new(state), decided: Notify::new() })
    }

    /// Takes note of a lease that was granted, or that was found in the store when the node started.
    pub(crate) fn granted(&self, id: i64, ttl: i64) {
        let deadline = Deadline::from(self.clock.now(), ttl);
        self.state.lock().deadlines.insert(id, deadline);
    }

    /// Takes note that a lease has ended.
    pub(crate) fn ended(&self, id: i64) {
        self.state.lock().deadlines.remove(&id);
        self.decided.notify_waiters();
    }

    /// Takes note that `keeper` took office. From now on, no proposal under an earlier loglet ends a lease.
    pub(crate) fn took_office(&self, keeper: Keeper) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let stays = keeper.storage == self.own && state.keeper.storage == self.own;
        state.keeper = keeper;
        for deadline in state.deadlines.values_mut() {
            let at = if stays { deadline.at } else { now.after(seconds(deadline.ttl)) };
            *deadline = Deadline { at, proposed: None, ..*deadline };
        }
        drop(state);
        self.decided.notify_waiters();
    }

    /// The keeper in office.
    pub(crate) fn in_office(&self) -> Keeper {
        self.state.lock().keeper
    }

    /// The loglet under which this node is the keeper; `None` while it is not.
    pub(crate) fn office(&self) -> Option<LogletId> {
        self.state.lock().office(self.own)
    }

    /// Whether this node is the keeper, and there are leases.
    pub(crate) fn has_work(&self) -> bool {
        let state = self.state.lock();
        state.office(self.own).is_some() && !state.deadlines.is_empty()
    }

    /// Gives a lease its full time-to-live again. Returns the time-to-live; `None` if the lease is gone. Waits while a
    /// command that ends the lease is on its way through the log.
    /// # Cancel safety
    /// Cancel safe: nothing is renewed before it answers.
    pub(crate) async fn renew(&self, id: i64) -> Option<i64> {
        loop {
            let decided = self.decided.notified();
            {
                let now = self.clock.now();
                let mut state = self.state.lock();
                let deadline = state.deadlines.get_mut(&id)?;
                if deadline.proposed.is_none() {
                    *deadline = Deadline::from(now, deadline.ttl);
                    return Some(deadline.ttl);
                }
            }
            decided.await;
        }
    }

    /// The seconds that a lease has left, and the seconds that it was granted. `None` if there is no such lease.
    pub(crate) fn time_to_live(&self, id: i64) -> Option<(i64, i64)> {
        let now = self.clock.now();
        let deadline = *self.state.lock().deadlines.get(&id)?;
        Some((i64::try_from(deadline.at.since(now).as_secs()).unwrap_or(i64::MAX), deadline.ttl))
    }

    /// All leases, in the order in which they end.
    pub(crate) fn by_deadline(&self) -> Vec<i64> {
        let mut all: Vec<_> = self.state.lock().deadlines.iter().map(|(id, d)| (d.at, *id)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// If this node is the keeper, ends the leases that have run out. For that it calls `expire` with the loglet under
    /// which the node is the keeper, and with the ids of the leases; `expire` proposes to end them. When many leases
    /// end together, there are pauses between groups of them, so that requests are hardly disturbed. Call it every
    /// [`TICK`] on every node, so that a gap is noticed. On the keeper, call it only after a tail check.
    pub(crate) async fn end_expired<F: Future<Output = ()>>(&self, expire: impl Fn(LogletId, Vec<i64>) -> F) {
        loop {
            let began = self.clock.now();
            let Some((office, expired)) = self.tick() else { return };
            let may_be_more = expired.len() == EXPIRIES_AT_ONCE;
            expire(office, expired).await;
            if !may_be_more {
                return;
            }
            self.clock.sleep(rest_after(self.clock.now().since(began))).await;
        }
    }

    /// At most [`EXPIRIES_AT_ONCE`] leases that have run out, and the loglet under which this node may end them. `None`
    /// while this node is not the keeper.
    fn tick(&self) -> Option<(LogletId, Vec<i64>)> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let since = now.since(state.last_tick);
        state.last_tick = now;
        if since > GAP {
            // This process stood still, or tail checks failed, so clients could not renew their leases meanwhile.
            state.deadlines.values_mut().for_each(|d| d.at = d.at.after(since));
        }
        let office = state.office(self.own)?;
        let mut out = Vec::new();
        for (id, deadline) in &mut state.deadlines {
            let is_due = deadline.at <= now && deadline.proposed.is_none_or(|at| now.since(at) >= PROPOSE_AGAIN);
            if is_due && out.len() < EXPIRIES_AT_ONCE {
                deadline.proposed = Some(now);
                out.push(*id);
            }
        }
        Some((office, out))
    }
}

impl State {
    fn office(&self, own: StorageId) -> Option<LogletId> {
        (self.keeper.storage == own).then_some(self.keeper.loglet)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use naxos_proto::ids::LogId;
    use naxos_proto::seams::sim::SimClock;

    use super::*;

    const OWN: StorageId = StorageId(1);

    fn office(ordinal: u64, storage: StorageId) -> Keeper {
        Keeper { loglet: LogletId { log: LogId(7), ordinal, nonce: 9 }, storage }
    }

    /// A keeper of one lease of two seconds. The keeper has proposed to end it.
    async fn proposed() -> (SimClock, Arc<LeaseKeeper>) {
        let clock = SimClock::new(Duration::ZERO);
        let keeper = LeaseKeeper::new(Arc::new(clock.clone()), OWN, Keeper::default());
        keeper.took_office(office(1, OWN));
        keeper.granted(7, 2);
        for _ in 0..8 {
            assert_eq!(keeper.tick(), Some((office(1, OWN).loglet, vec![])));
            clock.sleep(TICK).await;
        }
        assert_eq!(keeper.tick(), Some((office(1, OWN).loglet, vec![7])));
        (clock, keeper)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_whose_expiry_is_on_its_way_is_renewed_by_nobody() {
        let (_, keeper) = proposed().await;
        let mut renewal = std::pin::pin!(keeper.renew(7));
        assert_eq!(renewal.as_mut().now_or_never(), None);
        keeper.granted(8, 2);
        keeper.ended(8);
        assert_eq!(renewal.as_mut().now_or_never(), None, "another lease ended");
        keeper.ended(7);
        assert_eq!(renewal.now_or_never(), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_waits_no_longer_when_a_new_keeper_makes_the_expiry_void() {
        let (_, keeper) = proposed().await;
        let mut renewal = std::pin::pin!(keeper.renew(7));
        assert_eq!(renewal.as_mut().now_or_never(), None);
        keeper.took_office(office(2, OWN));
        assert_eq!(renewal.now_or_never(), Some(Some(2)));
        assert_eq!(keeper.tick(), Some((office(2, OWN).loglet, vec![])));
    }

    #[tokio::test(start_paused = true)]
    async fn only_another_keeper_gives_leases_their_full_time_again() {
        let clock = SimClock::new(Duration::ZERO);
        let keeper = LeaseKeeper::new(Arc::new(clock.clone()), OWN, office(1, OWN));
        keeper.granted(7, 4);
        clock.sleep(seconds(3)).await;
        keeper.took_office(office(2, OWN));
        assert_eq!(keeper.time_to_live(7), Some((1, 4)), "the log was only reconfigured");
        keeper.took_office(office(3, StorageId(2)));
        clock.sleep(seconds(3)).await;
        keeper.took_office(office(4, OWN));
        assert_eq!(keeper.time_to_live(7), Some((4, 4)));
    }

    /// While the quorum is away no tail check succeeds, so there are no ticks and no renewals.
    #[tokio::test(start_paused = true)]
    async fn a_lease_is_extended_by_the_time_without_ticks() {
        let clock = SimClock::new(Duration::ZERO);
        let keeper = LeaseKeeper::new(Arc::new(clock.clone()), OWN, office(1, OWN));
        keeper.granted(7, 2);
        clock.sleep(seconds(10)).await;
        assert_eq!(keeper.tick(), Some((office(1, OWN).loglet, vec![])));
        assert_eq!(keeper.time_to_live(7), Some((2, 2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_not_the_keeper_ends_no_lease() {
        let (clock, keeper) = proposed().await;
        keeper.took_office(office(2, StorageId(2)));
        clock.sleep(Duration::from_secs(60)).await;
        assert_eq!((keeper.tick(), keeper.office()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn many_leases_that_end_together_are_gone_soon() {
        const LEASES: i64 = 20_000;
        let clock = SimClock::new(Duration::ZERO);
        let keeper = LeaseKeeper::new(Arc::new(clock.clone()), OWN, office(1, OWN));
        (1..=LEASES).for_each(|id| keeper.granted(id, 2));
        clock.sleep(seconds(2)).await;
        keeper.tick();
        let began = clock.now();
        let expire = |_, expired: Vec<i64>| {
            let (clock, keeper) = (clock.clone(), Arc::clone(&keeper));
            async move {
                assert!(expired.len() <= EXPIRIES_AT_ONCE);
                clock.sleep(Duration::from_millis(5)).await;
                expired.into_iter().for_each(|id| keeper.ended(id));
            }
        };
        // Look for expired leases at each tick, as the node does.
        while !keeper.by_deadline().is_empty() {
            clock.sleep(TICK).await;
            keeper.end_expired(&expire).await;
        }
        let took = clock.now().since(began);
        assert!(took < Duration::from_secs(5), "{LEASES} leases took {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_expiry_that_did_not_get_through_is_proposed_again() {
        let (clock, keeper) = proposed().await;
        let mut waited = Duration::ZERO;
        loop {
            clock.sleep(TICK).await;
            waited += TICK;
            if keeper.tick().is_some_and(|(_, expired)| expired == [7]) {
                break;
            }
        }
        assert_eq!(waited, PROPOSE_AGAIN);
        assert_eq!(keeper.time_to_live(7), Some((0, 2)));
    }
}
