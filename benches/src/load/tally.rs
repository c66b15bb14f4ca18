//! What the clients of one thread, or of a run, have seen.

use hdrhistogram::Histogram;

/// Longest latency that is told apart, in microseconds.
const LATENCY_MAX_US: u64 = 120_000_000;

/// Counts and latencies of one measured window.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Latencies of the operations that did not fail, in microseconds.
    pub calls: Histogram<u64>,
    /// Age of the oldest event of each watch answer when it came, in microseconds.
    pub deliveries: Histogram<u64>,
    /// Events that watchers got.
    pub events: u64,
    /// Txns that met another revision; they count as operations too.
    pub conflicts: u64,
    /// Operations that failed, or did not end in time.
    pub errors: u64,
    /// The first failure's text.
    pub first_error: Option<String>,
}

impl Default for Tally {
    fn default() -> Self {
        let empty = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are constant and valid");
        Self { calls: empty.clone(), deliveries: empty, events: 0, conflicts: 0, errors: 0, first_error: None }
    }
}

impl Tally {
    /// Notes a failure.
    pub fn failed(&mut self, error: &dyn std::fmt::Display) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    /// Adds what another thread has seen.
    pub fn merge(&mut self, other: Self) {
        self.calls.add(other.calls).expect("both have the same bounds");
        self.deliveries.add(other.deliveries).expect("both have the same bounds");
        self.events += other.events;
        self.conflicts += other.conflicts;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}
