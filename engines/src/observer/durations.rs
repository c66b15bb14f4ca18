//! [`Durations`]: how long something took, each time that it was done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Number of buckets. The upper bound of the first one is a microsecond, and each next one is twice as large; the last one
/// has everything above 33 s.
const BUCKETS: usize = 27;

/// A histogram. Adding to it is two atomic additions.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

/// What a histogram holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many durations are in each bucket. Bucket `n` has those of at most `2^n` microseconds that are in no lower one.
    pub buckets: [u64; BUCKETS],
    /// All durations added up.
    pub sum: Duration,
}

impl Durations {
    /// Adds a duration.
    pub fn add(&self, duration: Duration) {
        let micros = duration.as_nanos().div_ceil(1_000).max(1);
        let bucket = (u128::BITS - (micros - 1).leading_zeros()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What it holds now.
    pub fn spread(&self) -> Spread {
        let buckets = self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed));
        Spread { buckets, sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)) }
    }
}

impl Spread {
    /// The largest duration of bucket `n`. The last bucket has no bound, so for it this is the bound of the one before.
    pub fn bound(n: usize) -> Duration {
        Duration::from_micros(1 << n.min(BUCKETS - 2))
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The bound of the bucket with the quantile `q`, which is between 0 and 1. `None` if nothing was measured.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let rank = (self.count() as f64 * q).ceil().max(1.0) as u64;
        let mut below = 0;
        let reaches = |count: &u64| {
            below += count;
            below >= rank
        };
        self.buckets.iter().position(reaches).map(Self::bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_may_hold_it() {
        for (nanos, bucket) in [(0, 0), (1_000, 0), (1_001, 1), (2_000, 1), (2_001, 2), (1_024_000, 10), (u64::MAX, 26)]
        {
            let durations = Durations::default();
            durations.add(Duration::from_nanos(nanos));
            let spread = durations.spread();
            assert_eq!(spread.buckets.iter().position(|count| *count == 1), Some(bucket), "{nanos} ns");
            assert_eq!((spread.count(), spread.sum), (1, Duration::from_nanos(nanos)));
        }
    }

    #[test]
    fn quantiles_are_the_bounds_of_buckets() {
        let durations = Durations::default();
        assert_eq!(durations.spread().quantile(0.5), None);
        for micros in 1..=100 {
            durations.add(Duration::from_micros(micros));
        }
        durations.add(Duration::from_secs(40));
        let spread = durations.spread();
        let quantile = |q| spread.quantile(q).unwrap().as_micros();
        assert_eq!((quantile(0.0), quantile(0.5), quantile(0.99), quantile(1.0)), (1, 64, 128, 33_554_432));
    }
}
