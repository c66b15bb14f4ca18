//! How far the checkpoint is behind the applied entries. The figures are atomics, updated after each entry, purge,
//! freeze and checkpoint. So proposals, purges and the checkpoint itself read them without the locks that apply takes
//! for every row.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use naxos_proto::seams::{Clock, Instant, rest_after};

use crate::local_store::delta::{DELTA_BYTES_MAX, FROZEN_MAX};

/// After a replay, the node may go on proposing until this many more bytes were applied, however much was replayed. A
/// starting node has to announce itself, even on a full disk, where no checkpoint can be written.
const START_BYTES_MAX: usize = 1 << 20;

/// When no more deltas may be frozen and the open one has this many bytes, nothing more is applied. While the open
/// delta comes from the replay, the limit may be higher: see [`Backlog::is_overfull`]. By then the proposals of this
/// node have waited for a long time, but other nodes may go on proposing.
const OPEN_BYTES_STOP: usize = 128 << 20;

/// How far the checkpoint is behind; see the module.
pub(crate) struct Backlog {
    frozen: AtomicUsize,
    open_bytes: AtomicUsize,
    /// When the open delta has this many bytes and no more deltas may be frozen, proposals wait. It is
    /// [`DELTA_BYTES_MAX`], or more while the open delta comes from the replay.
    open_bytes_max: AtomicUsize,
    /// Whether the node is stopping. Then no client is left whom a checkpoint could slow down.
    stopping: AtomicBool,
}

impl Backlog {
    pub(crate) fn new() -> Self {
        Self {
            frozen: AtomicUsize::new(0),
            open_bytes: AtomicUsize::new(0),
            open_bytes_max: AtomicUsize::new(DELTA_BYTES_MAX),
            stopping: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_open_bytes(&self, bytes: usize) {
        self.open_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Notes that the open delta comes from the replay: see [`START_BYTES_MAX`].
    pub(crate) fn note_replayed(&self) {
        let admitted = self.open_bytes.load(Ordering::Relaxed) + START_BYTES_MAX;
        self.open_bytes_max.store(admitted.max(DELTA_BYTES_MAX), Ordering::Relaxed);
    }

    /// Notes that the open delta was frozen, and that there are `frozen` frozen deltas now.
    pub(crate) fn note_freeze(&self, frozen: usize) {
        self.open_bytes.store(0, Ordering::Relaxed);
        self.open_bytes_max.store(DELTA_BYTES_MAX, Ordering::Relaxed);
        // Stored last: a thread that reads this number also reads that the open delta is empty.
        self.frozen.store(frozen, Ordering::Release);
    }

    pub(crate) fn set_frozen(&self, frozen: usize) {
        self.frozen.store(frozen, Ordering::Release);
    }

    /// Whether no more deltas may be frozen.
    pub(crate) fn is_full(&self) -> bool {
        self.frozen.load(Ordering::Acquire) >= FROZEN_MAX
    }

    /// Whether nothing more should be proposed.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_filled(1)
    }

    /// Whether nothing more should be applied.
    pub(crate) fn is_overfull(&self) -> bool {
        let stop = OPEN_BYTES_STOP.max(self.open_bytes_max.load(Ordering::Relaxed));
        self.is_full() && self.open_bytes.load(Ordering::Relaxed) >= stop
    }

    /// While the node is stopping, checkpoints take no pauses.
    pub(crate) fn set_stopping(&self, stopping: bool) {
        self.stopping.store(stopping, Ordering::Relaxed);
    }

    /// Whether proposals, or the stop of the node, will soon have to wait for the checkpoint.
    fn is_late(&self) -> bool {
        self.is_filled(2) || self.stopping.load(Ordering::Relaxed)
    }

    /// Whether no more deltas may be frozen and the open one has at least `1 / part` of the bytes that it may have.
    fn is_filled(&self, part: usize) -> bool {
        self.is_full() && self.open_bytes.load(Ordering::Relaxed) >= self.open_bytes_max.load(Ordering::Relaxed) / part
    }
}

/// Makes a checkpoint pause, so that others get the cores and the device.
pub(crate) struct Pace<'a> {
    clock: &'a dyn Clock,
    backlog: &'a Backlog,
    /// When the current stretch of work began.
    began: Instant,
}

impl<'a> Pace<'a> {
    pub(crate) fn new(clock: &'a dyn Clock, backlog: &'a Backlog) -> Self {
        Self { clock, backlog, began: clock.now() }
    }

    /// Pauses after a stretch of work, for at least `pause`. Does not pause if proposals, or the stop of the node,
    /// would soon have to wait for the checkpoint.
    pub(crate) async fn rest(&mut self, pause: Duration) {
        if !self.backlog.is_late() {
            self.clock.sleep(rest_after(self.clock.now().since(self.began)).max(pause)).await;
        }
        self.began = self.clock.now();
    }
}
