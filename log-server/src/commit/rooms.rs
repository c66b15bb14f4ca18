//! [`Rooms`]: whether the disk has room for more cells.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::contracts::UnitError;
use naxos_proto::seams::{Clock, Disk, Instant};

/// The free space of the disk is checked again when stores have brought this many bytes since the last check.
const CHECK_BYTES: u64 = 1 << 20;
/// The free space is also checked again after this time. While the disk is short of room, it is checked at each store.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// A node that is started on a full disk has to write a few records before it can serve reads. Batches that together
/// take at most `reserve / START_SHARE` bytes are therefore accepted without free space, if they fit the current
/// segment.
const START_SHARE: u64 = 512;

/// Refuses stores while fewer bytes are free than the reserve. The reserve leaves room for checkpoints of the local
/// store. Without a new checkpoint the log cannot be trimmed, and then no room is ever made.
pub(crate) struct Rooms {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    reserve_bytes: u64,
    checked: Option<Instant>,
    unchecked_bytes: u64,
    full: bool,
    /// Bytes of batches that are still accepted on a full disk.
    start_bytes: u64,
}

impl Rooms {
    pub(crate) fn new(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, reserve_bytes: u64) -> Self {
        let start_bytes = reserve_bytes / START_SHARE;
        Self { disk, clock, reserve_bytes, checked: None, unchecked_bytes: 0, full: false, start_bytes }
    }

    /// The error if stores of `bytes` bytes have to be refused.
    pub(crate) async fn refusal(&mut self, bytes: u64) -> Option<UnitError> {
        let now = self.clock.now();
        self.unchecked_bytes = self.unchecked_bytes.saturating_add(bytes);
        let fresh = self.checked.is_some_and(|at| now.since(at) < CHECK_EVERY) && self.unchecked_bytes < CHECK_BYTES;
        if fresh && !self.full {
            return None;
        }
        // If the disk does not report its free space, a write will find out that it is full.
        let free = self.free_bytes().await?;
        self.full.then_some(UnitError::DiskFull { free, needed: self.reserve_bytes })
    }

    /// Whether a batch of `bytes` bytes is accepted although there is no room for it. Normally these are the first
    /// batches after a start. The bytes of an accepted batch are subtracted from those that are still allowed.
    pub(crate) fn admits_at_start(&mut self, bytes: u64) -> bool {
        let left = self.start_bytes.checked_sub(bytes);
        self.start_bytes = left.unwrap_or(self.start_bytes);
        left.is_some()
    }

    /// How many bytes are free now. `None` if the disk does not report it. The next [`Self::refusal`] knows from this
    /// call whether the disk is short of room.
    pub(crate) async fn free_bytes(&mut self) -> Option<u64> {
        let free = self.disk.free_bytes().await.ok()?;
        (self.checked, self.unchecked_bytes) = (Some(self.clock.now()), 0);
        self.full = free < self.reserve_bytes;
        Some(free)
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::sim::{Drive, SimClock};

    use super::*;

    /// The case: a store is refused because there is no room for another segment, and then a metadata command begins
    /// one all the same. Later stores must be refused, too, and not go into that segment.
    #[tokio::test(start_paused = true)]
    async fn a_disk_that_was_seen_full_while_rolling_is_full_for_the_next_store() {
        let drive = Drive::new(1);
        let mut rooms = Rooms::new(drive.mount(), Arc::new(SimClock::new(Duration::ZERO)), 1_000);
        drive.set_capacity(Some(1_000));
        assert_eq!(rooms.refusal(10).await, None);
        drive.set_capacity(Some(999));
        assert_eq!(rooms.refusal(10).await, None, "the free space is not asked for at each store");
        assert_eq!(rooms.free_bytes().await, Some(999));
        assert_eq!(rooms.refusal(10).await, Some(UnitError::DiskFull { free: 999, needed: 1_000 }));
        drive.set_capacity(None);
        assert_eq!(rooms.refusal(10).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_full_disk_a_start_is_let_in_and_no_more() {
        let drive = Drive::new(1);
        drive.set_capacity(Some(0));
        let mut rooms = Rooms::new(drive.mount(), Arc::new(SimClock::new(Duration::ZERO)), 32 << 10);
        assert_eq!(rooms.refusal(40).await, Some(UnitError::DiskFull { free: 0, needed: 32 << 10 }));
        let admitted = [40, 40, 24, 1].map(|bytes| rooms.admits_at_start(bytes));
        assert_eq!(admitted, [true, false, true, false], "64 bytes in all");
    }
}
