//! [`SimClock`]: a host's clock based on tokio's (paused) time. It can be made wrong on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::seams::{Clock, Instant, WallTime};

/// The factor 1 in parts per million.
const MILLION: i128 = 1_000_000;

/// A clock that follows the tokio runtime it was made in. Under paused time every wait is exact to 1 ms. Clones are
/// the same clock.
#[derive(Clone, Debug)]
pub struct SimClock {
    base: tokio::time::Instant,
    epoch_nanos: u64,
    skew_nanos: i64,
    drift_ppm: i32,
    /// For how long the host has been suspended so far.
    suspended_nanos: Arc<AtomicU64>,
    /// By how much the wall time has been set forward (or back, if negative) so far.
    stepped_nanos: Arc<AtomicI64>,
}

impl SimClock {
    /// A correct clock whose wall time is `epoch` now.
    pub fn new(epoch: Duration) -> Self {
        let epoch_nanos = u64::try_from(epoch.as_nanos()).expect("an epoch of less than 584 years");
        Self {
            base: tokio::time::Instant::now(),
            epoch_nanos,
            skew_nanos: 0,
            drift_ppm: 0,
            suspended_nanos: Arc::default(),
            stepped_nanos: Arc::default(),
        }
    }

    /// Makes the wall time wrong by this much.
    #[must_use]
    pub fn with_skew_nanos(self, skew_nanos: i64) -> Self {
        Self { skew_nanos, ..self }
    }

    /// Makes the clock run faster by this many millionths, or slower if negative. Must be above -1,000,000.
    #[must_use]
    pub fn with_drift_ppm(self, drift_ppm: i32) -> Self {
        assert!(i128::from(drift_ppm) > -MILLION, "a clock with a drift of {drift_ppm} ppm stands or runs backwards");
        Self { drift_ppm, ..self }
    }

    /// Suspends and wakes the host: the monotonic time and the wall time leap by `by`. Waits that have begun do not
    /// become shorter.
    pub fn suspend(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).expect("a suspension of less than 584 years");
        self.suspended_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Sets the wall time forward or back, as an administrator might.
    pub fn step_wall_nanos(&self, by: i64) {
        self.stepped_nanos.fetch_add(by, Ordering::Relaxed);
    }

    fn nanos(&self) -> u64 {
        let true_nanos = i128::try_from(self.base.elapsed().as_nanos()).expect("a run of less than 584 years");
        let own = true_nanos * (MILLION + i128::from(self.drift_ppm)) / MILLION;
        let own = u64::try_from(own).expect("a run of less than 584 years");
        own.saturating_add(self.suspended_nanos.load(Ordering::Relaxed))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        Instant(self.nanos())
    }

    fn wall(&self) -> WallTime {
        let off = self.skew_nanos.saturating_add(self.stepped_nanos.load(Ordering::Relaxed));
        WallTime(self.epoch_nanos.saturating_add(self.nanos()).saturating_add_signed(off))
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        let own = at.since(self.now());
        let true_nanos =
            own.as_nanos() * MILLION.unsigned_abs() / (MILLION + i128::from(self.drift_ppm)).unsigned_abs();
        let wait = Duration::from_nanos(u64::try_from(true_nanos).unwrap_or(u64::MAX));
        #[expect(clippy::disallowed_methods, reason = "this is a clock")]
        Box::pin(tokio::time::sleep(wait))
    }

    fn pause(&self, by: Duration) -> BoxFuture<'static, ()> {
        self.sleep(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_suspension_moves_both_times_and_setting_the_clock_moves_only_the_wall_time() {
        let clock = SimClock::new(Duration::from_secs(100));
        let same = clock.clone();
        clock.suspend(Duration::from_secs(7));
        assert_eq!(same.now().0, 7_000_000_000);
        assert_eq!(same.wall().0, 107_000_000_000);
        clock.step_wall_nanos(-50_000_000_000);
        assert_eq!(same.now().0, 7_000_000_000);
        assert_eq!(same.wall().0, 57_000_000_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_clock_waits_shorter() {
        let clock = SimClock::new(Duration::ZERO).with_drift_ppm(1_000_000);
        let began = tokio::time::Instant::now();
        clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        assert_eq!(clock.now().0, 2_000_000_000);
    }
}
