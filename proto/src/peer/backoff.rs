//! [`Backoff`]: the pauses between attempts to reach a peer.

use std::time::Duration;

use crate::peer::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// Pauses that double with each failed attempt.
pub(super) struct Backoff(Duration);

impl Backoff {
    /// The first pause is the shortest.
    pub(super) fn new() -> Self {
        Self(BACKOFF_MIN)
    }

    /// The pause after another failed attempt.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(BACKOFF_MAX);
        pause
    }

    /// Says that an attempt succeeded.
    pub(super) fn succeeded(&mut self) {
        self.0 = BACKOFF_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new();
        let millis: Vec<_> = (0..8).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(millis, [10, 20, 40, 80, 160, 320, 500, 500]);
        backoff.succeeded();
        assert_eq!(backoff.pause(), BACKOFF_MIN);
    }
}
