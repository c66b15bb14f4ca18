//! [`Rest`]: pauses between attempts that failed.

use std::time::Duration;

use naxos_proto::seams::Clock;

/// The first pause. Each further one is twice as long.
const REST_MIN: Duration = Duration::from_millis(2);
/// The longest pause.
const REST_MAX: Duration = Duration::from_millis(100);

/// Makes the pauses of one procedure. Each pause is twice as long as the one before, up to [`REST_MAX`].
pub(super) struct Rest<'a> {
    clock: &'a dyn Clock,
    next: Duration,
}

impl<'a> Rest<'a> {
    /// A new `Rest`. Its first pause is the shortest.
    pub(super) fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, next: REST_MIN }
    }

    /// Waits after an attempt that failed.
    pub(super) async fn pause(&mut self) {
        let pause = self.next;
        self.next = REST_MAX.min(pause * 2);
        self.clock.sleep(pause).await;
    }
}
