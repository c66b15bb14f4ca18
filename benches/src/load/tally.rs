//! The results of the clients of one thread, or of a whole run.

use hdrhistogram::Histogram;

/// Longest latency that the histogram can hold, in microseconds.
const LATENCY_MAX_US: u64 = 120_000_000;

/// Counts and latencies of one measured window.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Latencies of the operations that did not fail, in microseconds.
    pub calls: Histogram<u64>,
    /// For each answer to a watcher: how old its oldest event was when the answer arrived, in microseconds.
    pub deliveries: Histogram<u64>,
    /// Number of events that watchers got.
    pub events: u64,
    /// Number of updates whose Txn found that the key had changed since it was read. They count as operations too.
    pub conflicts: u64,
    /// Number of operations that failed or did not end in time.
    pub errors: u64,
    /// The message of the first failure.
    pub first_error: Option<String>,
}

impl Default for Tally {
    fn default() -> Self {
        let empty = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are constant and valid");
        Self { calls: empty.clone(), deliveries: empty, events: 0, conflicts: 0, errors: 0, first_error: None }
    }
}

impl Tally {
    /// Counts a failure.
    pub fn failed(&mut self, error: &dyn std::fmt::Display) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    /// Adds the results of another thread.
    pub fn merge(&mut self, other: Self) {
        self.calls.add(other.calls).expect("both have the same bounds");
        self.deliveries.add(other.deliveries).expect("both have the same bounds");
        self.events += other.events;
        self.conflicts += other.conflicts;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}
