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
/// Rows read in a second where less is written.
const ROWS_PER_SECOND: f64 = 20_000.0;
/// How long what was written counts: the rate follows its changes within about this time.
const MEMORY: Duration = Duration::from_millis(500);

/// A piece of history that was read.
pub(super) struct Read {
    /// About how many rows it had.
    pub(super) rows: usize,
    /// How many revisions those who wanted it got on.
    pub(super) revisions: u64,
    /// How many places of history are read by turns, each of which has to gain on who writes.
    pub(super) places: u32,
}

/// See the module.
pub(super) struct Pace {
    began: Instant,
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
        Self { began: now, looked: now, revision, written: 0.0, due: now }
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

    /// How long reading a piece and the rest after it may take where history is to be read `gain` times as fast as it grows.
    fn turn_for(&self, read: &Read, gain: f64) -> Duration {
        Duration::from_secs_f64(read.revisions as f64 / (gain * self.written).max(1.0)) / read.places
    }

    /// How long both should take.
    fn turn(&self, read: &Read) -> Duration {
        let of_rows = Duration::from_secs_f64(read.rows as f64 / ROWS_PER_SECOND);
        self.turn_for(read, GAIN).min(of_rows / read.places)
    }

    /// Rests after a piece, the reading of which began at `began`.
    pub(super) async fn rest(&mut self, clock: &dyn Clock, began: Instant, read: &Read) {
        let turn = self.turn(read);
        // A rest that took longer than it should makes the next one shorter, by one turn at most.
        self.due = if self.due.after(turn) < began { began } else { self.due }.after(turn);
        let now = clock.now();
        let worked = now.since(began);
        let longer = rest_after(worked).min(self.turn_for(read, GAIN_MIN).saturating_sub(worked));
        clock.sleep(self.due.since(now).max(longer).max(REST_MIN)).await;
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::sim::SimClock;

    use super::*;

    const ROWS: usize = 128;

    /// Revisions read in five seconds, in pieces that take `piece` each, beside so many written a second, each of `rows`.
    async fn read_beside(piece: Duration, written_per_second: u64, rows: u64) -> u64 {
        let clock = SimClock::new(Duration::ZERO);
        let revision = || i64::try_from(clock.now().0 / 1_000_000 * written_per_second / 1_000).expect("few revisions");
        let mut pace = Pace::new(clock.now(), revision());
        let revisions = ROWS as u64 / rows;
        let mut pieces = 0;
        while clock.now() < Instant(5_000_000_000) {
            let began = clock.now();
            pace.look(began, revision());
            clock.sleep(piece).await;
            pace.rest(&clock, began, &Read { rows: ROWS, revisions, places: 1 }).await;
            pieces += 1;
        }
        pieces * revisions
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_gains_on_who_writes_and_takes_no_more() {
        let piece = Duration::from_millis(1);
        let beside_none = read_beside(piece, 0, 1).await;
        assert!((95_000..=105_000).contains(&beside_none), "{beside_none} in 5 s with nothing written");
        let beside_many = read_beside(piece, 24_000, 1).await;
        assert!((165_000..=185_000).contains(&beside_many), "{beside_many} in 5 s with 120,000 written");
        let of_many_rows = read_beside(piece, 6_000, 4).await;
        assert!((40_000..=46_500).contains(&of_many_rows), "{of_many_rows} in 5 s with 30,000 of 4 rows written");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_long_for_a_piece_rests_long_but_still_gains() {
        let piece = Duration::from_millis(4);
        let beside_few = read_beside(piece, 1_000, 1).await;
        assert_eq!(beside_few, 5_000_u64.div_ceil(4 + 8) * ROWS as u64);
        let beside_many = read_beside(piece, 14_000, 1).await;
        assert!((72_000..=85_000).contains(&beside_many), "{beside_many} in 5 s with 70,000 written");
    }

    #[test]
    fn each_of_several_places_gains() {
        let pace = Pace { written: 20_000.0, ..Pace::new(Instant(0), 0) };
        let turn = |places| pace.turn(&Read { rows: ROWS, revisions: ROWS as u64, places });
        assert_eq!(turn(2), turn(1) / 2);
    }
}
