//! The time that this process shows to code that asks the operating system: the simulated time at the end of the last
//! step. Only `naxos-simulate` shows it, see its module `clock`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A process has one clock, and it runs one simulation.
static NANOS: AtomicU64 = AtomicU64::new(0);

/// Sets how long the simulation has lasted.
pub(super) fn set(elapsed: Duration) {
    NANOS.store(u64::try_from(elapsed.as_nanos()).expect("a run lasts for minutes"), Relaxed);
}

/// How long the simulation has lasted.
pub fn elapsed() -> Duration {
    Duration::from_nanos(NANOS.load(Relaxed))
}
