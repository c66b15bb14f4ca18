//! [`Weather`]: how a simulated network treats calls.

use std::time::Duration;

/// How often calls go wrong, in thousandths, and how long they may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Calls that never arrive.
    pub lost: u64,
    /// Calls that are carried out and whose answer never arrives.
    pub unanswered: u64,
    /// Calls that arrive a second time, later.
    pub repeated: u64,
    /// The shortest delay of a call, and of its answer.
    pub delay_min: Duration,
    /// The longest delay. Each delay is drawn at random, so calls overtake each other.
    pub delay_max: Duration,
}

impl Weather {
    /// The delay that belongs to a random number.
    pub fn delay(&self, random: u64) -> Duration {
        let micros = u64::try_from(self.delay_max.saturating_sub(self.delay_min).as_micros()).unwrap_or(u64::MAX - 1);
        self.delay_min + Duration::from_micros(random % (micros + 1))
    }
}
