//! [`Reached`]: counts how often each rare event happened, so that a harness that no longer reaches one is noticed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// Every rare event. A run of many seeds in which one of them never happened proves less than it claims, so it fails.
pub const EXPECTED: [&str; 43] = [
    // Faults of hosts.
    "kill",
    "power_cut",
    "blackout",
    "freeze",
    "stop",
    "leap",
    "disk_error",
    "full_disk",
    "slow_disk",
    "hung_disk",
    "self_ended",
    "disk_lost",
    "bit_flipped",
    "read_error",
    "stood_still",
    "old_copy_restored",
    "twin_started",
    // Faults of the network.
    "cut",
    "one_way_cut",
    "hold",
    "slow_link",
    "isolation",
    // Changes of the members.
    "member_added",
    "learner_promoted",
    "member_removed",
    "leader_moved",
    // Changes of the kind of loglets.
    "native_to_corfu",
    "corfu_to_native",
    // Watches with options.
    "progress_notified",
    "observer_compacted",
    // Ways to recover.
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
    "old_copy_refused",
    "rot_refused",
    "twin_refused",
];

/// Counts by the name of the event. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Reached(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Reached {
    /// Counts one event.
    pub fn count(&self, event: &'static str) {
        assert!(EXPECTED.contains(&event), "{event} is not in the list of rare events");
        *self.0.lock().entry(event).or_default() += 1;
    }
}

impl fmt::Display for Reached {
    /// A line of `name=number` pairs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.lock();
        let pairs = counts.iter().map(|(event, times)| format!("{event}={times}")).collect::<Vec<_>>();
        f.write_str(&pairs.join(" "))
    }
}
