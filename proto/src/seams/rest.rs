//! The pace of background work: how long it rests, so that requests hardly notice it.

use std::time::Duration;

/// Background work rests this many times as long as it worked.
const REST_TIMES: u32 = 2;
/// The longest such rest. Without this limit, work that was once held up by the device would cause a very long rest.
const REST_MAX: Duration = Duration::from_millis(20);

/// How long background work should sleep after working for `worked`: twice as long, but not longer than 20 ms. Work in
/// steps of at most 10 ms then uses at most a third of a core and leaves the cores and the device to requests. If the
/// cores or the device are busy, a step takes longer, and up to the limit the sleep after it is longer too.
pub fn rest_after(worked: Duration) -> Duration {
    worked.saturating_mul(REST_TIMES).min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_work_rests_longer_than_it_worked_but_not_for_ever() {
        let milliseconds = Duration::from_millis;
        for (worked, rest) in [(0, 0), (3, 6), (10, 20), (1_000, 20)] {
            assert_eq!(rest_after(milliseconds(worked)), milliseconds(rest), "after {worked} ms");
        }
        assert_eq!(rest_after(Duration::MAX), milliseconds(20));
    }
}
