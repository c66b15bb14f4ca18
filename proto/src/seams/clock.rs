//! Time. [`Clock::now`] reads CLOCK_BOOTTIME, which counts suspended time too; `std::time::Instant` does not. The
//! production clock's sleeps do not count it either, so a sleep may end late if the machine was suspended.

use std::time::Duration;

use futures::future::BoxFuture;

/// A point on a node's monotonic clock, in nanoseconds since an origin that the clock chose. It never leaves its
/// process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The time from `earlier` to `self`. Zero if `earlier` is the later one.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The point that is `by` later than this one.
    pub fn after(self, by: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Wall time in nanoseconds since the Unix epoch. Only for headers, logs and metrics, never for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub u64);

/// Tells the time and waits.
pub trait Clock: Send + Sync {
    /// The monotonic time, which includes the time that the machine was suspended.
    fn now(&self) -> Instant;
    /// The wall time, which may jump.
    fn wall(&self) -> WallTime;
    /// Completes at `at` or later. The timer has a precision of one millisecond. Cancel safe.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;
    /// Completes after `by` or later. The timer has a precision of one millisecond. Cancel safe.
    fn sleep(&self, by: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now().after(by))
    }
    /// Waits for `by`, which may be shorter than a millisecond. In production this blocks the Worker's thread. So only
    /// a Worker that has nothing else to do may call it. The committer uses it for pacing.
    fn pause(&self, by: Duration) -> BoxFuture<'static, ()>;
    /// The total time during which at least one thread of the machine was ready to run and had to wait for a core.
    /// `None` if the system does not report this time.
    fn core_wait(&self) -> Option<Duration> {
        None
    }
}

/// The production clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootClock;

impl Clock for BootClock {
    fn now(&self) -> Instant {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Instant(t.tv_sec.unsigned_abs() * 1_000_000_000 + t.tv_nsec.unsigned_abs())
    }

    fn wall(&self) -> WallTime {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        WallTime(t.tv_sec.unsigned_abs() * 1_000_000_000 + t.tv_nsec.unsigned_abs())
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        let wait = at.since(self.now());
        #[expect(clippy::disallowed_methods, reason = "this is the module that owns waiting")]
        Box::pin(tokio::time::sleep(wait))
    }

    fn pause(&self, by: Duration) -> BoxFuture<'static, ()> {
        #[expect(
            clippy::disallowed_methods,
            reason = "tokio's timers have a grain of 1 ms; this Worker has no other work"
        )]
        std::thread::sleep(by);
        Box::pin(std::future::ready(()))
    }

    fn core_wait(&self) -> Option<Duration> {
        core_wait_in(&std::fs::read_to_string("/proc/pressure/cpu").ok()?)
    }
}

/// The `total` of the line `some` in the kernel's report of the pressure on the cores.
fn core_wait_in(pressure: &str) -> Option<Duration> {
    let some = pressure.lines().find(|line| line.starts_with("some "))?;
    let micros = some.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?;
    micros.parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_subtract_without_wrapping() {
        let t = Instant(5);
        assert_eq!(t.since(Instant(7)), Duration::ZERO);
        assert_eq!(t.after(Duration::from_nanos(3)).since(t), Duration::from_nanos(3));
    }

    #[test]
    fn the_pressure_on_the_cores_is_read_as_the_kernel_writes_it() {
        let text =
            "some avg10=7.32 avg60=5.34 avg300=4.00 total=31474221\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(core_wait_in(text), Some(Duration::from_micros(31_474_221)));
        assert_eq!(core_wait_in("full avg10=0.00 total=0\n"), None);
        assert_eq!(core_wait_in(""), None);
    }

    #[test]
    fn the_boot_clock_moves_forward() {
        let a = BootClock.now();
        assert!(BootClock.now() >= a);
        assert!(BootClock.wall().0 > 1_700_000_000_000_000_000);
    }
}
