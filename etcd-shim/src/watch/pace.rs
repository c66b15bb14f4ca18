//! How fast history is read for watchers that are behind: faster than it grows, so that each of them gets there, and no
//! faster than that, so that those who make it grow do not notice.

use std::time::Duration;

use naxos_proto::seams::{Clock, Instant};

/// Between two pieces, at least.
pub(super) const REST_MIN: Duration = Duration::from_millis(2);
/// Revisions read for each one that is written meanwhile.
const GAIN: f64 = 1.5;
/// Rows a second that are read in any case, if there are cores for it.
const ROWS_PER_SECOND_MIN: f64 = 20_000.0;
/// How long what was written counts: the rate follows its changes within about this time.
const MEMORY: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Pace {
    /// The last look at the store, and its revision then.
    looked: Instant,
    revision: i64,
    /// Revisions a second.
    written: f64,
    /// When the next piece is due.
    due: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant, revision: i64) -> Self {
        Self { looked: now, revision, written: 0.0, due: now }
    }

    /// Notes the store's revision.
    pub(super) fn look(&mut self, now: Instant, revision: i64) {
        let passed = now.since(self.looked).as_secs_f64();
        if passed > 0.0 {
            let fresh = (passed / MEMORY.as_secs_f64()).min(1.0);
            let grown = (revision - self.revision) as f64 / passed;
            self.written += fresh * (grown - self.written);
            (self.looked, self.revision) = (now, revision);
        }
    }

    /// Rests after reading `rows`, which began at `began`.
    pub(super) async fn rest(&mut self, clock: &dyn Clock, began: Instant, rows: usize) {
        let turn = Duration::from_secs_f64(rows as f64 / (GAIN * self.written).max(ROWS_PER_SECOND_MIN));
        // A rest that took longer than it should makes the next one shorter, but for more than one turn.
        self.due = if self.due.after(turn) < began { began } else { self.due }.after(turn);
        clock.rest(began, self.due.since(clock.now()).max(REST_MIN)).await;
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::sim::SimClock;

    use super::*;

    const ROWS: usize = 128;

    /// Rows read in five seconds, of which each piece of [`ROWS`] takes `piece`, beside so many revisions written a second.
    async fn rows_read(piece: Duration, written_per_second: u64) -> u64 {
        let clock = SimClock::new(Duration::ZERO);
        let revision = || i64::try_from(clock.now().0 / 1_000_000 * written_per_second / 1_000).expect("few revisions");
        let mut pace = Pace::new(clock.now(), revision());
        let mut pieces = 0;
        while clock.now() < Instant(5_000_000_000) {
            let began = clock.now();
            pace.look(began, revision());
            clock.sleep(piece).await;
            pace.rest(&clock, began, ROWS).await;
            pieces += 1;
        }
        pieces * ROWS as u64
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_gains_on_who_writes_and_takes_no_more() {
        let of_idle = rows_read(Duration::from_millis(1), 0).await;
        assert!((95_000..=105_000).contains(&of_idle), "{of_idle} rows in 5 s with nothing written");
        let of_busy = rows_read(Duration::from_millis(1), 24_000).await;
        assert!((150_000..=185_000).contains(&of_busy), "{of_busy} rows in 5 s with 120,000 written");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_long_for_a_piece_rests_long() {
        let read = rows_read(Duration::from_millis(6), 24_000).await;
        assert_eq!(read, 5_000_u64.div_ceil(6 + 12) * ROWS as u64);
    }
}
