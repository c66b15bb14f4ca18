//! [`Reached`]: counts how often each rare event happened, and how often each fault met each way to recover. So it is
//! noticed when the harness no longer reaches one of these events.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// The faults. A run of many seeds in which one of these events, or of those below, never happened proves less than it
/// claims, so it fails.
pub const FAULTS: [&str; 23] = [
    // Faults of hosts.
    "kill",
    "power_cut",
    "blackout",
    "freeze",
    "stop",
    "leap",
    "stood_still",
    "disk_error",
    "read_error",
    "full_disk",
    "slow_disk",
    "hung_disk",
    "disk_lost",
    "old_copy_restored",
    "bit_flipped",
    "twin_started",
    // Faults of the network.
    "cut",
    "one_way_cut",
    "hold",
    "slow_link",
    "isolation",
    // Changes of the members.
    "member_removed",
    "leader_moved",
];
/// The ways to recover.
pub const RECOVERIES: [&str; 10] = [
    "reconfiguration",
    "chain_race_lost",
    "seal_repaired",
    "unit_caught_up",
    "unit_replaced",
    "unit_poisoned",
    "outcome_unknown",
    "snapshot_installed",
    "hole_filled",
    "chain_write_cut",
];
/// The other rare events.
pub const OTHERS: [&str; 10] = [
    "self_ended",
    "member_added",
    "learner_promoted",
    "native_to_corfu",
    "corfu_to_native",
    "progress_notified",
    "observer_compacted",
    "old_copy_refused",
    "rot_refused",
    "twin_refused",
];
/// A fault has met a way to recover if a node takes this way at most this long after the fault began.
const MET_WITHIN: Duration = Duration::from_millis(1_000);

/// All events that are counted.
pub fn expected() -> impl Iterator<Item = &'static str> {
    FAULTS.into_iter().chain(RECOVERIES).chain(OTHERS)
}

/// The name under which it is counted that a fault has met a way to recover.
pub fn pair(fault: &str, recovery: &str) -> String {
    format!("{fault}*{recovery}")
}

#[derive(Debug, Default)]
struct Counts {
    now: Duration,
    events: BTreeMap<&'static str, u64>,
    /// When each fault began last.
    begun: BTreeMap<&'static str, Duration>,
    met: BTreeMap<(&'static str, &'static str), u64>,
}

/// Counts by the name of the event. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Reached(Arc<Mutex<Counts>>);

impl Reached {
    /// Sets the simulated time of the events that follow.
    pub fn set_now(&self, now: Duration) {
        self.0.lock().now = now;
    }

    /// Counts one event.
    pub fn count(&self, event: &'static str) {
        assert!(expected().any(|known| known == event), "{event} is not in the lists of rare events");
        let mut guard = self.0.lock();
        let counts = &mut *guard;
        *counts.events.entry(event).or_default() += 1;
        if FAULTS.contains(&event) {
            counts.begun.insert(event, counts.now);
        }
        if RECOVERIES.contains(&event) {
            for (fault, at) in &counts.begun {
                if counts.now.saturating_sub(*at) <= MET_WITHIN {
                    *counts.met.entry((*fault, event)).or_default() += 1;
                }
            }
        }
    }
}

impl fmt::Display for Reached {
    /// A line of `name=number` pairs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.lock();
        let events = counts.events.iter().map(|(event, times)| format!("{event}={times}"));
        let met = counts.met.iter().map(|((fault, recovery), times)| format!("{}={times}", pair(fault, recovery)));
        f.write_str(&events.chain(met).collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_what_happens_within_a_second() {
        let reached = Reached::default();
        reached.count("kill");
        reached.set_now(Duration::from_millis(900));
        reached.count("cut");
        reached.count("seal_repaired");
        reached.set_now(Duration::from_millis(1_100));
        reached.count("seal_repaired");
        let text = reached.to_string();
        assert_eq!(text, "cut=1 kill=1 seal_repaired=2 cut*seal_repaired=2 kill*seal_repaired=1");
    }
}
