//! Time, waiting and threads.
//!
//! Benchmarks run in real time. All uses of real time go through this module, so that the bans of `clippy.toml` on
//! them hold everywhere else.

use std::io;
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::unix::AsyncFd;

/// The current time of the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "benchmarks measure real time; this is their only clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Blocks the calling thread.
#[expect(clippy::disallowed_methods, reason = "benchmarks wait for real processes in real time")]
pub fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Suspends the calling task for `duration`. The wait is exact to a millisecond.
#[expect(clippy::disallowed_methods, reason = "benchmarks wait in real time")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Suspends the calling task until `at`. The wait is exact to a millisecond.
pub async fn pause_until(at: Instant) {
    pause(at.saturating_duration_since(now())).await;
}

/// The future's value, or `None` if it takes longer than `limit`.
#[expect(clippy::disallowed_methods, reason = "deadlines of benchmarks are in real time")]
pub async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

/// Starts a named thread.
///
/// # Panics
/// If the system cannot start another thread.
pub fn thread<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).expect("a thread can be started")
}

/// A runtime that runs its tasks on the calling thread.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// A timer that is exact to tens of microseconds. tokio's own timer rounds up to the next millisecond.
#[derive(Debug)]
pub struct PreciseTimer {
    timer: AsyncFd<OwnedFd>,
}

impl PreciseTimer {
    /// A timer that belongs to the calling thread's runtime.
    #[expect(
        deprecated,
        reason = "`AsyncFd::new` is deprecated because some types may change their descriptor. Its replacement \
                  `register` is unsafe for that reason. An OwnedFd never changes its descriptor."
    )]
    pub fn new() -> io::Result<Self> {
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer: AsyncFd::new(timer)? })
    }

    /// Waits until `at`. Returns at once if `at` has passed.
    ///
    /// # Cancel safety
    /// Cancel safe: the next wait sets the timer again.
    pub async fn wait_until(&self, at: Instant) -> io::Result<()> {
        let left = at.saturating_duration_since(now());
        if left.is_zero() {
            return Ok(());
        }
        let value = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        rustix::time::timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        let mut expirations = [0_u8; 8];
        loop {
            let mut ready = self.timer.readable().await?;
            match rustix::io::read(self.timer.get_ref(), &mut expirations) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
