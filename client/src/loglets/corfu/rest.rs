//! [`Rest`]: pauses between attempts that failed.

use std::time::Duration;

use naxos_proto::seams::Clock;

/// The first pause. Each further one is twice as long.
const REST_MIN: Duration = Duration::from_millis(2);
/// The longest pause.
const REST_MAX: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Rest<'a> {
    clock: &'a dyn Clock,
    next: Duration,
}

impl<'a> Rest<'a> {
    /// No attempt failed yet.
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
