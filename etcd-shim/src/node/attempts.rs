//! [`Attempts`]: the pauses of a start that tries something until other nodes are there.

use std::time::Duration;

use naxos_proto::seams::{Clock, Instant};

/// The time between two messages about what the start waits for.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Attempts<'a> {
    clock: &'a dyn Clock,
    /// When the start last said what it waits for, or when it began to wait.
    told: Instant,
}

impl<'a> Attempts<'a> {
    /// Begins now.
    pub(super) fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, told: clock.now() }
    }

    /// Pauses after an attempt that failed. Calls `tell` before that, if it was not called for [`TELL_EVERY`].
    pub(super) async fn pause(&mut self, pause: Duration, tell: impl FnOnce()) {
        let now = self.clock.now();
        if now.since(self.told) >= TELL_EVERY {
            self.told = now;
            tell();
        }
        self.clock.sleep(pause).await;
    }
}
