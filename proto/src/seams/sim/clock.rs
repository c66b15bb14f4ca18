//! [`SimClock`]: a host's clock under tokio's (paused) time, wrong in a chosen way.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::seams::{Clock, Instant, WallTime};

/// Parts per million in one.
const MILLION: i128 = 1_000_000;

/// Time of the tokio runtime that it is made in. Under paused time every wait has a grain of 1 ms.
#[derive(Clone, Debug)]
pub struct SimClock {
    base: tokio::time::Instant,
    epoch_nanos: u64,
    skew_nanos: i64,
    drift_ppm: i32,
}

impl SimClock {
    /// A clock whose wall time is `epoch` now, and which is right.
    pub fn new(epoch: Duration) -> Self {
        let epoch_nanos = u64::try_from(epoch.as_nanos()).expect("an epoch of our age");
        Self { base: tokio::time::Instant::now(), epoch_nanos, skew_nanos: 0, drift_ppm: 0 }
    }

    /// Its wall time is off by this much.
    #[must_use]
    pub fn with_skew_nanos(self, skew_nanos: i64) -> Self {
        Self { skew_nanos, ..self }
    }

    /// It runs faster by so many millionths (slower below zero), which must be above -1,000,000.
    #[must_use]
    pub fn with_drift_ppm(self, drift_ppm: i32) -> Self {
        assert!(i128::from(drift_ppm) > -MILLION, "a clock with a drift of {drift_ppm} ppm stands or runs backwards");
        Self { drift_ppm, ..self }
    }

    fn nanos(&self) -> u64 {
        let true_nanos = i128::try_from(self.base.elapsed().as_nanos()).expect("a run of our age");
        let own = true_nanos * (MILLION + i128::from(self.drift_ppm)) / MILLION;
        u64::try_from(own).expect("a run of our age")
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        Instant(self.nanos())
    }

    fn wall(&self) -> WallTime {
        WallTime(self.epoch_nanos.saturating_add(self.nanos()).saturating_add_signed(self.skew_nanos))
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
