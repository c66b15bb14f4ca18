//! Time, waiting and threads of the test harness.
//!
//! Tests of real processes run in real time. All code of the harness that reads the clock or waits uses this module, so
//! that the bans on clocks and waits in `clippy.toml` hold everywhere else.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often to check a condition for which no notification exists.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The current time of the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the harness times real processes; this is its only clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Blocks the calling thread.
#[expect(clippy::disallowed_methods, reason = "the harness waits for real processes in real time")]
pub fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Suspends the calling task.
#[expect(clippy::disallowed_methods, reason = "the harness waits for real processes in real time")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// The future's value, or `None` if it takes longer than `limit`.
#[expect(clippy::disallowed_methods, reason = "deadlines of the harness are in real time")]
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

/// Calls `condition` until it returns a value. Returns `None` after `limit`.
pub fn wait_for<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + limit;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if now() >= end {
            return None;
        }
        sleep(LOOK_AGAIN);
    }
}
