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
    /// The longest delay of a call, and of its answer. Each delay is drawn at random, so calls overtake each other.
    pub delay_max: Duration,
}
