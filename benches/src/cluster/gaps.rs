//! [`Gaps`]: how long no write succeeded.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::pace;

/// When the last write succeeded, and the longest time between two writes that succeeded.
#[derive(Debug, Clone, Copy)]
struct Span {
    last: Instant,
    longest: Duration,
    /// Whether there was a success since [`Gaps::begin`].
    is_fresh: bool,
}

impl Span {
    fn succeeded(&mut self, now: Instant) {
        self.longest = self.longest_until(now);
        self.last = now;
        self.is_fresh = true;
    }

    /// The longest gap. A gap that has not ended yet counts too.
    fn longest_until(&self, now: Instant) -> Duration {
        self.longest.max(now.saturating_duration_since(self.last))
    }
}

/// The longest gaps since [`Gaps::begin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Longest {
    /// The longest time in which no client wrote anything.
    pub all: Duration,
    /// The longest time in which one and the same client wrote nothing, whatever the others did.
    pub one: Duration,
}

/// The longest times without a write that succeeded: of all clients together, and of each of them.
#[derive(Debug)]
pub struct Gaps(Mutex<State>);

#[derive(Debug)]
struct State {
    all: Span,
    clients: Vec<Span>,
}

impl Gaps {
    /// For clients with the numbers below `clients`.
    pub fn new(clients: usize) -> Self {
        let span = Span { last: pace::now(), longest: Duration::ZERO, is_fresh: false };
        Self(Mutex::new(State { all: span, clients: vec![span; clients] }))
    }

    /// Forgets the gaps so far. A gap that has begun still counts from its beginning.
    pub fn begin(&self) {
        let mut state = self.0.lock();
        let State { all, clients } = &mut *state;
        for span in clients.iter_mut().chain([all]) {
            (span.longest, span.is_fresh) = (Duration::ZERO, false);
        }
    }

    /// A write of this client has succeeded.
    ///
    /// # Panics
    /// If `client` is not below the number of clients.
    pub fn wrote(&self, client: usize) {
        let now = pace::now();
        let mut state = self.0.lock();
        state.all.succeeded(now);
        state.clients[client].succeeded(now);
    }

    /// Whether every client has written since [`Self::begin`].
    pub fn all_wrote(&self) -> bool {
        self.0.lock().clients.iter().all(|span| span.is_fresh)
    }

    /// The longest gaps since [`Self::begin`]. Gaps that have not ended yet count too.
    pub fn longest(&self) -> Longest {
        let now = pace::now();
        let state = self.0.lock();
        let of_clients = state.clients.iter().map(|span| span.longest_until(now));
        Longest { all: state.all.longest_until(now), one: of_clients.max().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(20);

    #[test]
    fn one_client_that_cannot_write_has_a_gap_though_the_others_write() {
        let gaps = Gaps::new(2);
        gaps.wrote(1);
        for _ in 0..3 {
            pace::sleep(STEP);
            gaps.wrote(0);
        }
        let longest = gaps.longest();
        assert!(longest.one >= 3 * STEP, "{longest:?}");
        assert!(longest.all >= STEP && longest.all < longest.one, "{longest:?}");
        assert!(gaps.all_wrote());
    }

    #[test]
    fn a_gap_that_has_begun_counts_from_its_beginning() {
        let gaps = Gaps::new(1);
        gaps.wrote(0);
        pace::sleep(STEP);
        gaps.begin();
        assert!(!gaps.all_wrote());
        assert!(gaps.longest().all >= STEP);
        gaps.wrote(0);
        assert!(gaps.longest().one >= STEP);
        gaps.begin();
        assert!(gaps.longest().one < STEP);
    }
}
