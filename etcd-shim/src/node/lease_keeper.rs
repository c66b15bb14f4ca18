//! When leases end: the keeper's clock, none of which is replicated.
//!
//! The keeper is the sequencer's node. It takes office by an entry in the log that names the active loglet; expiries it
//! proposes carry that name, and apply drops those of any other: a keeper that slept wakes powerless. It acknowledges a
//! keep-alive after a tail check that began later, extends every lease by a gap in its own ticks, and starts all
//! time-to-lives afresh on taking office, as etcd does when its leader changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos_proto::seams::{Clock, Instant};
use parking_lot::Mutex;

/// Between two looks at what has expired.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// A tick that comes later than this is a gap.
const GAP: Duration = Duration::from_secs(1);
/// An expiry that was proposed is not proposed again for this long.
const PROPOSE_AGAIN: Duration = Duration::from_secs(3);
/// Leases ended per tick: a thousand a second, as etcd.
pub(crate) const EXPIRIES_PER_TICK: usize = 250;

#[derive(Clone, Copy)]
struct Deadline {
    ttl: i64,
    at: Instant,
}

struct State {
    term: u64,
    deadlines: BTreeMap<i64, Deadline>,
    last_tick: Instant,
}

/// See the module.
pub(crate) struct LeaseKeeper {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

fn seconds(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}

impl LeaseKeeper {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State { term: 0, deadlines: BTreeMap::new(), last_tick: clock.now() };
        Arc::new(Self { clock, state: Mutex::new(state) })
    }

    /// A lease was granted, or is found in the store at the start.
    pub(crate) fn granted(&self, id: i64, ttl: i64) {
        let at = self.clock.now().after(seconds(ttl));
        self.state.lock().deadlines.insert(id, Deadline { ttl, at });
    }

    /// A lease ended.
    pub(crate) fn ended(&self, id: i64) {
        self.state.lock().deadlines.remove(&id);
    }

    /// The keeper of `term` took office.
    pub(crate) fn took_office(&self, term: u64) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.term = term;
        state.deadlines.values_mut().for_each(|d| d.at = now.after(seconds(d.ttl)));
    }

    /// The term of the last keeper that took office.
    pub(crate) fn term(&self) -> u64 {
        self.state.lock().term
    }

    /// Starts a lease's time-to-live afresh; the time-to-live, unless the lease is gone.
    pub(crate) fn renew(&self, id: i64) -> Option<i64> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let deadline = state.deadlines.get_mut(&id)?;
        deadline.at = now.after(seconds(deadline.ttl));
        Some(deadline.ttl)
    }

    /// Seconds that a lease has left and those that it was granted.
    pub(crate) fn time_to_live(&self, id: i64) -> Option<(i64, i64)> {
        let now = self.clock.now();
        let deadline = *self.state.lock().deadlines.get(&id)?;
        Some((i64::try_from(deadline.at.since(now).as_secs()).unwrap_or(i64::MAX), deadline.ttl))
    }

    /// All leases, by when they end.
    pub(crate) fn by_deadline(&self) -> Vec<i64> {
        let mut all: Vec<_> = self.state.lock().deadlines.iter().map(|(id, d)| (d.at, *id)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// The leases that have run out, to be ended under the term.
    pub(crate) fn tick(&self) -> (u64, Vec<i64>) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let since = now.since(state.last_tick);
        state.last_tick = now;
        if since > GAP {
            // This process stood still: its clients could not renew meanwhile.
            state.deadlines.values_mut().for_each(|d| d.at = d.at.after(since));
        }
        let mut out = Vec::new();
        for (id, deadline) in &mut state.deadlines {
            if deadline.at <= now && out.len() < EXPIRIES_PER_TICK {
                deadline.at = now.after(PROPOSE_AGAIN);
                out.push(*id);
            }
        }
        (state.term, out)
    }
}
