//! The times at which calls begin in an open loop. They are fixed, whether or not earlier calls have ended.
//!
//! If no client is free for a call, it begins late, but its latency counts from the intended time. So a server that
//! stalls is charged for every call that had to wait (no coordinated omission).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::pace::{self, PreciseTimer};

/// [`Schedule::pace`] wakes clients at most once in this time. Calls that are due in between begin together, and their
/// latency includes the wait. With a wake-up for each call the generator took half of the machine, which the server
/// needs.
const GRAIN: Duration = Duration::from_micros(500);

/// The intended times of one thread's calls, in order. Each is given to one client.
#[derive(Debug)]
pub struct Schedule {
    start: Instant,
    end: Instant,
    gap: Duration,
    given: Cell<u32>,
    waiting: RefCell<VecDeque<(Instant, oneshot::Sender<()>)>>,
}

impl Schedule {
    /// From `start` to `end`, `per_second` calls begin in each second, at equal intervals.
    pub fn new(start: Instant, end: Instant, per_second: f64) -> Self {
        let gap = Duration::from_secs_f64(1.0 / per_second);
        Self { start, end, gap, given: Cell::new(0), waiting: RefCell::default() }
    }

    /// Waits for the next intended time. `None` after the end.
    pub async fn take(&self) -> Option<Instant> {
        let intended = self.start + self.gap * self.given.get();
        if intended >= self.end {
            return None;
        }
        self.given.set(self.given.get() + 1);
        if intended > pace::now() {
            let (due, is_due) = oneshot::channel();
            self.waiting.borrow_mut().push_back((intended, due));
            // This cannot fail, because `waiting` keeps the sender until the pacer uses it.
            let _ = is_due.await;
        }
        Some(intended)
    }

    /// Wakes the clients whose calls are due, until the end of the schedule.
    pub async fn pace(&self) -> io::Result<()> {
        let timer = PreciseTimer::new()?;
        loop {
            let now = pace::now();
            while let Some(due) = self.next_due(now) {
                // A client that is gone needs no call.
                let _ = due.send(());
            }
            if now >= self.end {
                return Ok(());
            }
            let next = self.waiting.borrow().front().map_or(now, |(at, _)| *at);
            timer.wait_until(next.max(now + GRAIN).min(self.end)).await?;
        }
    }

    fn next_due(&self, now: Instant) -> Option<oneshot::Sender<()>> {
        let mut waiting = self.waiting.borrow_mut();
        let due = waiting.front().is_some_and(|(at, _)| *at <= now);
        if due { waiting.pop_front().map(|(_, due)| due) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_calls_keep_their_intended_times() {
        let start = pace::now() - Duration::from_secs(1);
        let schedule = Schedule::new(start, start + Duration::from_millis(35), 100.0);
        let taken: Vec<_> = std::iter::from_fn(|| {
            let runtime = pace::runtime().expect("a runtime");
            runtime.block_on(schedule.take())
        })
        .collect();
        assert_eq!(taken, [0, 10, 20, 30].map(|ms| start + Duration::from_millis(ms)));
    }
}
