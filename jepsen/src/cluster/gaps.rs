//! [`Gaps`]: how long no write succeeded.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::pace;

#[derive(Debug)]
struct State {
    last: Instant,
    longest: Duration,
}

/// The longest time between two writes that succeeded, whichever client made them.
#[derive(Debug)]
pub struct Gaps(Mutex<State>);

impl Default for Gaps {
    fn default() -> Self {
        Self(Mutex::new(State { last: pace::now(), longest: Duration::ZERO }))
    }
}

impl Gaps {
    /// Forgets the gaps so far.
    pub fn begin(&self) {
        self.0.lock().longest = Duration::ZERO;
    }

    /// A write has succeeded.
    pub fn wrote(&self) {
        let now = pace::now();
        let mut state = self.0.lock();
        state.longest = state.longest.max(now.saturating_duration_since(state.last));
        state.last = now;
    }

    /// The longest gap since [`Self::begin`], the one that has not ended included.
    pub fn longest(&self) -> Duration {
        let state = self.0.lock();
        state.longest.max(state.last.elapsed())
    }
}
