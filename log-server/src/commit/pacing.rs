//! [`Pacing`]: when the next sync may start.

use std::time::Duration;

use naxos_proto::seams::Instant;

/// Decides how long a batch waits before its sync. A sync costs 50 us of CPU whatever it carries, so many small batches
/// are expensive. A sync therefore starts no earlier than `pace` after the last one started. If only one command waits,
/// its sync starts at once, because that command has no other to share the sync with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacing {
    pace: Duration,
    last_start: Option<Instant>,
}

impl Pacing {
    pub(crate) fn new(pace: Duration) -> Self {
        Self { pace, last_start: None }
    }

    /// How long to wait when `commands` client commands are queued.
    pub(crate) fn wait(&self, now: Instant, commands: u64) -> Duration {
        match self.last_start {
            Some(last) if commands > 1 => self.pace.saturating_sub(now.since(last)),
            _ => Duration::ZERO,
        }
    }

    /// Notes that a sync starts.
    pub(crate) fn started(&mut self, now: Instant) {
        self.last_start = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_waits_only_if_it_has_several_commands() {
        let mut pacing = Pacing::new(Duration::from_nanos(250));
        assert_eq!(pacing.wait(Instant(0), 9), Duration::ZERO, "the first sync of all");
        pacing.started(Instant(1_000));
        for (now, commands, wait) in [(1_100, 1, 0), (1_100, 2, 150), (1_249, 64, 1), (1_250, 64, 0), (9_000, 64, 0)] {
            assert_eq!(pacing.wait(Instant(now), commands), Duration::from_nanos(wait), "{now} {commands}");
        }
    }
}
