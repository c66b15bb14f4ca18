//! How fast a hub reads history for watchers that are behind.
//!
//! - While no other thread waits for the cores, it reads as fast as it can: the rate doubles every [`WINDOW`].
//! - While some thread waits for the cores, the rate falls to what is needed. It must be higher than the rate at which
//!   history grows, so that each watcher catches up in the end. It is hardly higher, so that clients that write are not
//!   disturbed.

use std::time::Duration;

use naxos_proto::seams::{Clock, Instant, rest_after};

/// The shortest rest after a piece while another thread waits for the cores.
const REST_MIN: Duration = Duration::from_millis(2);
/// How many revisions to read for each one that is written in the meantime.
const GAIN: f64 = 1.5;
/// How many revisions to read, at least, for each one that is written in the meantime. This limit counts when a piece
/// took so long that the rest after it has to be longer than [`GAIN`] allows.
const GAIN_MIN: f64 = 1.25;
/// How many rows to read in a second while another thread waits for the cores, unless more have to be read to keep up
/// with the writes.
const ROWS_PER_SECOND: f64 = 20_000.0;
/// The highest rate: so high that it limits nothing.
const ROWS_PER_SECOND_MAX: f64 = 10_000_000.0;
/// The time over which the rate of writes is averaged.
const MEMORY: Duration = Duration::from_millis(500);
/// The time over which waiting for the cores is measured.
const WINDOW: Duration = Duration::from_millis(20);
/// The cores count as free if, for at most this part of the time, some thread waits for a core.
const WAITING_MAX: f64 = 0.1;

/// What was read between two rests.
pub(super) struct Read {
    /// About how many rows.
    pub(super) rows: usize,
    /// By how many revisions the watcher that was furthest behind advanced.
    pub(super) revisions: u64,
}

/// See the module.
pub(super) struct Pace {
    began: Instant,
    /// When the store's revision was last looked at, and its value then.
    looked: Instant,
    revision: i64,
    /// How many revisions are written in a second, averaged over [`MEMORY`].
    written: f64,
    /// When `waited` was last measured.
    measured: Instant,
    /// For how long, in total, some thread had waited for a core by then. `None` if this is not known.
    waited: Option<Duration>,
    /// Rows that may be read in a second.
    rows_per_second: f64,
    /// When the next piece is due if history is read [`GAIN`] times as fast as it grows, or at `rows_per_second` if
    /// that is faster.
    due: Instant,
    /// When the next piece is due if history is read [`GAIN_MIN`] times as fast as it grows.
    latest: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant, revision: i64) -> Self {
        Self {
            began: now,
            looked: now,
            revision,
            written: 0.0,
            measured: now,
            waited: None,
            rows_per_second: ROWS_PER_SECOND,
            due: now,
            latest: now,
        }
    }

    /// Notes the store's revision, and for how long threads have waited for the cores so far, if that is known.
    pub(super) fn look(&mut self, now: Instant, revision: i64, waited: impl FnOnce() -> Option<Duration>) {
        let passed = now.since(self.looked);
        if !passed.is_zero() {
            // Until `MEMORY` has passed, this is a plain average.
            let remembered = now.since(self.began).min(MEMORY);
            let fresh = passed.div_duration_f64(remembered).min(1.0);
            let grown = (revision - self.revision) as f64 / passed.as_secs_f64();
            self.written += fresh * (grown - self.written);
            (self.looked, self.revision) = (now, revision);
        }
        let window = now.since(self.measured);
        if window >= WINDOW || self.waited.is_none() {
            self.measure(window, waited());
            self.measured = now;
        }
    }

    /// Raises the rate if the cores were free in a window (see [`WAITING_MAX`]). Lowers it if they were not, or if that
    /// is not known.
    fn measure(&mut self, window: Duration, waited: Option<Duration>) {
        let both = waited.zip(self.waited).filter(|_| !window.is_zero());
        let is_free = both.map(|(now, before)| now.saturating_sub(before).div_duration_f64(window) <= WAITING_MAX);
        self.rows_per_second = match is_free {
            Some(true) => (self.rows_per_second * 2.0).min(ROWS_PER_SECOND_MAX),
            Some(false) => (self.rows_per_second / 4.0).max(ROWS_PER_SECOND),
            None => ROWS_PER_SECOND,
        };
        self.waited = waited;
    }

    /// How long a turn may take if history is to be read `gain` times as fast as it grows. A turn is the time in which
    /// `read` was read, together with the pause after it.
    fn turn(&self, read: &Read, gain: f64) -> Duration {
        Duration::from_secs_f64(read.revisions as f64 / (gain * self.written).max(1.0))
    }

    /// Pauses after `read` was read. `began` is the time at which reading it began.
    pub(super) async fn rest(&mut self, clock: &dyn Clock, began: Instant, read: &Read) {
        let of_rows = Duration::from_secs_f64(read.rows as f64 / self.rows_per_second);
        // A turn that took too long makes the next one shorter, but time lost or gained does not add up over several
        // turns.
        let next = |due: Instant, turn| due.min(began).after(turn).max(began);
        self.due = next(self.due, self.turn(read, GAIN).min(of_rows));
        self.latest = next(self.latest, self.turn(read, GAIN_MIN));
        let now = clock.now();
        let rest = self.due.since(now);
        if self.rows_per_second > ROWS_PER_SECOND {
            match rest.is_zero() {
                true => tokio::task::yield_now().await,
                false => clock.sleep(rest).await,
            }
            return;
        }
        let longer = rest_after(now.since(began)).min(self.latest.since(now));
        clock.sleep(rest.max(longer).max(REST_MIN)).await;
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::sim::SimClock;

    use super::*;

    const ROWS: usize = 128;

    /// By how many revisions each watcher advances in five seconds. Each turn reads pieces at `places` places, and each
    /// piece takes the time `piece`. Meanwhile `written_per_second` revisions are written, each with `rows` rows.
    async fn read_beside(piece: Duration, written_per_second: u64, rows: u64, places: u32) -> u64 {
        let clock = SimClock::new(Duration::ZERO);
        let revision = || i64::try_from(clock.now().0 / 1_000_000 * written_per_second / 1_000).expect("few revisions");
        let mut pace = Pace::new(clock.now(), revision());
        let revisions = ROWS as u64 / rows;
        let mut pieces = 0;
        while clock.now() < Instant(5_000_000_000) {
            let began = clock.now();
            pace.look(began, revision(), || None);
            clock.sleep(piece * places).await;
            pace.rest(&clock, began, &Read { rows: ROWS * places as usize, revisions }).await;
            pieces += 1;
        }
        pieces * revisions
    }

    #[tokio::test(start_paused = true)]
    async fn reading_gains_on_writing_and_is_hardly_faster() {
        let piece = Duration::from_millis(1);
        let beside_none = read_beside(piece, 0, 1, 1).await;
        assert!((95_000..=105_000).contains(&beside_none), "{beside_none} in 5 s with nothing written");
        let beside_many = read_beside(piece, 24_000, 1, 1).await;
        assert!((165_000..=185_000).contains(&beside_many), "{beside_many} in 5 s with 120,000 written");
        let of_many_rows = read_beside(piece, 6_000, 4, 1).await;
        assert!((40_000..=46_500).contains(&of_many_rows), "{of_many_rows} in 5 s with 30,000 of 4 rows written");
        let at_two_places = read_beside(piece, 18_000, 1, 2).await;
        assert!((108_000..=118_000).contains(&at_two_places), "{at_two_places} in 5 s with 90,000 written");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_piece_that_took_long_the_rest_is_long_but_reading_still_gains() {
        let piece = Duration::from_millis(4);
        let beside_few = read_beside(piece, 1_000, 1, 1).await;
        assert_eq!(beside_few, 5_000_u64.div_ceil(4 + 8) * ROWS as u64);
        let beside_many = read_beside(piece, 14_000, 1, 1).await;
        assert!((82_000..=88_000).contains(&beside_many), "{beside_many} in 5 s with 70,000 written");
        let at_two_places = read_beside(piece, 8_000, 1, 2).await;
        assert!((47_000..=51_000).contains(&at_two_places), "{at_two_places} in 5 s with 40,000 written");
    }

    /// How many pieces are read in a second. Each piece takes a millisecond, and for the fraction `part` of the time
    /// some thread waits for the cores.
    async fn read_where_waited(part: f64) -> u32 {
        let clock = SimClock::new(Duration::ZERO);
        let mut pace = Pace::new(clock.now(), 1);
        let mut pieces = 0;
        while clock.now() < Instant(1_000_000_000) {
            let began = clock.now();
            pace.look(began, 1, || Some(Duration::from_nanos(began.0).mul_f64(part)));
            clock.sleep(Duration::from_millis(1)).await;
            pace.rest(&clock, began, &Read { rows: ROWS, revisions: ROWS as u64 }).await;
            pieces += 1;
        }
        pieces
    }

    #[tokio::test(start_paused = true)]
    async fn reading_rests_only_where_somebody_waits_for_the_cores() {
        let free = read_where_waited(0.0).await;
        assert!(free > 900, "{free} pieces in 1,000 ms where nobody waits");
        let busy = read_where_waited(0.5).await;
        assert!((150..170).contains(&busy), "{busy} pieces where somebody waits: {ROWS_PER_SECOND} rows a second");
    }
}
