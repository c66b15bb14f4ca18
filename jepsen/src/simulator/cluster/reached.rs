//! [`Reached`]: counts how often each rare event happened, so that a harness that no longer reaches one is noticed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts by the name of the event. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Reached(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Reached {
    /// Counts one event.
    pub fn count(&self, event: &'static str) {
        *self.0.lock().entry(event).or_default() += 1;
    }

    /// How often it happened.
    pub fn times(&self, event: &str) -> u64 {
        self.0.lock().get(event).copied().unwrap_or(0)
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
