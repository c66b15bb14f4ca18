//! How fast a hub reads history for watchers that are behind: faster than it grows, so that each of them gets there, and
//! hardly faster than that, so that those who make it grow do not notice.

use std::time::Duration;

use naxos_proto::seams::{Clock, Instant, rest_after};

/// After a piece, at least.
const REST_MIN: Duration = Duration::from_millis(2);
/// Revisions read for each one that is written meanwhile.
const GAIN: f64 = 1.5;
/// The same where the cores are so busy that reading rests for longer.
const GAIN_MIN: f64 = 1.25;
/// Rows read in a second where less is written, unless the cores are busy.
const ROWS_PER_SECOND: f64 = 20_000.0;
/// How long what was written counts: the rate follows its changes within about this time.
const MEMORY: Duration = Duration::from_millis(500);

/// What was read in one go.
pub(super) struct Read {
    /// About how many rows.
    pub(super) rows: usize,
    /// How many revisions whoever got on least got on.
    pub(super) revisions: u64,
}

/// See the module.
pub(super) struct Pace {
    began: Instant,
    /// The last look at the store, and its revision then.
    looked: Instant,
    revision: i64,
    /// Revisions a second.
    written: f64,
    /// When the next piece is due, by [`GAIN`].
    due: Instant,
    /// The same by [`GAIN_MIN`].
    latest: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant, revision: i64) -> Self {
        Self { began: now, looked: now, revision, written: 0.0, due: now, latest: now }
    }

    /// Notes the store's revision.
    pub(super) fn look(&mut self, now: Instant, revision: i64) {
        let passed = now.since(self.looked);
        if !passed.is_zero() {
            // A plain average at first.
            let remembered = now.since(self.began).min(MEMORY);
            let fresh = passed.div_duration_f64(remembered).min(1.0);
            let grown = (revision - self.revision) as f64 / passed.as_secs_f64();
            self.written += fresh * (grown - self.written);
            (self.looked, self.revision) = (now, revision);
        }
    }

    /// How long reading this and the rest after it may take where history is to be read `gain` times as fast as it grows.
    fn turn(&self, read: &Read, gain: f64) -> Duration {
        Duration::from_secs_f64(read.revisions as f64 / (gain * self.written).max(1.0))
    }

    /// Rests after `read`, the reading of which began at `began`.
    pub(super) async fn rest(&mut self, clock: &dyn Clock, began: Instant, read: &Read) {
        let of_rows = Duration::from_secs_f64(read.rows as f64 / ROWS_PER_SECOND);
        // A turn that took longer than it should makes the next one shorter, but no debt and no credit grows.
        let next = |due: Instant, turn| due.min(began).after(turn).max(began);
        self.due = next(self.due, self.turn(read, GAIN).min(of_rows));
        self.latest = next(self.latest, self.turn(read, GAIN_MIN));
        let now = clock.now();
        let longer = rest_after(now.since(began)).min(self.latest.since(now));
        clock.sleep(self.due.since(now).max(longer).max(REST_MIN)).await;
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::sim::SimClock;

    use super::*;

    const ROWS: usize = 128;

    /// Revisions read in five seconds, in pieces that take `piece` each, beside so many written a second, each of `rows`; at
    /// each of so many places.
    async fn read_beside(piece: Duration, written_per_second: u64, rows: u64, places: u32) -> u64 {
        let clock = SimClock::new(Duration::ZERO);
        let revision = || i64::try_from(clock.now().0 / 1_000_000 * written_per_second / 1_000).expect("few revisions");
        let mut pace = Pace::new(clock.now(), revision());
        let revisions = ROWS as u64 / rows;
        let mut pieces = 0;
        while clock.now() < Instant(5_000_000_000) {
            let began = clock.now();
            pace.look(began, revision());
            clock.sleep(piece * places).await;
            pace.rest(&clock, began, &Read { rows: ROWS * places as usize, revisions }).await;
            pieces += 1;
        }
        pieces * revisions
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_gains_on_who_writes_and_takes_no_more() {
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
    async fn who_waits_long_for_a_piece_rests_long_but_still_gains() {
        let piece = Duration::from_millis(4);
        let beside_few = read_beside(piece, 1_000, 1, 1).await;
        assert_eq!(beside_few, 5_000_u64.div_ceil(4 + 8) * ROWS as u64);
        let beside_many = read_beside(piece, 14_000, 1, 1).await;
        assert!((82_000..=88_000).contains(&beside_many), "{beside_many} in 5 s with 70,000 written");
        let at_two_places = read_beside(piece, 8_000, 1, 2).await;
        assert!((47_000..=51_000).contains(&at_two_places), "{at_two_places} in 5 s with 40,000 written");
    }
}
