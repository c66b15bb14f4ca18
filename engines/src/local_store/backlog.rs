//! How far the checkpoint is behind, as of the last change: who proposes, purges or writes checkpoints looks at it without
//! the locks that apply takes for every row.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use naxos_proto::seams::{Clock, Instant, rest_after};

use crate::local_store::delta::{DELTA_BYTES_MAX, FROZEN_MAX};

/// What may be applied on top of what was replayed, however much that was: a node that starts has to announce itself, on a
/// full disk too, where no checkpoint takes anything away.
const START_BYTES_MAX: usize = 1 << 20;

/// See the module.
pub(crate) struct Backlog {
    frozen: AtomicUsize,
    open_bytes: AtomicUsize,
    /// With so many bytes in the open delta proposals wait, if no more deltas may be frozen: [`DELTA_BYTES_MAX`], or more
    /// while the open delta is one that was replayed.
    open_bytes_max: AtomicUsize,
    /// Nobody is served any more whom a checkpoint could hold up.
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

    /// The open delta is what was replayed: see [`START_BYTES_MAX`].
    pub(crate) fn note_replayed(&self) {
        let admitted = self.open_bytes.load(Ordering::Relaxed) + START_BYTES_MAX;
        self.open_bytes_max.store(admitted.max(DELTA_BYTES_MAX), Ordering::Relaxed);
    }

    /// The open delta was frozen, and there are so many now.
    pub(crate) fn note_freeze(&self, frozen: usize) {
        self.open_bytes.store(0, Ordering::Relaxed);
        self.open_bytes_max.store(DELTA_BYTES_MAX, Ordering::Relaxed);
        // Last: who sees it sees an empty open delta.
        self.frozen.store(frozen, Ordering::Release);
    }

    pub(crate) fn set_frozen(&self, frozen: usize) {
        self.frozen.store(frozen, Ordering::Release);
    }

    /// Whether as many deltas wait as may.
    pub(crate) fn is_full(&self) -> bool {
        self.frozen.load(Ordering::Acquire) >= FROZEN_MAX
    }

    /// Whether nothing more should be proposed.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_filled(1)
    }

    /// While the node stops nothing rests.
    pub(crate) fn set_stopping(&self, stopping: bool) {
        self.stopping.store(stopping, Ordering::Relaxed);
    }

    /// Whether proposals, or a stop, will wait soon.
    fn is_late(&self) -> bool {
        self.is_filled(2) || self.stopping.load(Ordering::Relaxed)
    }

    /// Whether no more deltas may be frozen, and the open one has a `part`-th of what it may have.
    fn is_filled(&self, part: usize) -> bool {
        self.is_full() && self.open_bytes.load(Ordering::Relaxed) >= self.open_bytes_max.load(Ordering::Relaxed) / part
    }
}

/// How a checkpoint leaves the cores and the device to others.
pub(crate) struct Pace<'a> {
    clock: &'a dyn Clock,
    backlog: &'a Backlog,
    /// When the stretch of work under way began.
    began: Instant,
}

impl<'a> Pace<'a> {
    pub(crate) fn new(clock: &'a dyn Clock, backlog: &'a Backlog) -> Self {
        Self { clock, backlog, began: clock.now() }
    }

    /// Rests after a stretch of work for `pause` at least, unless proposals, or a stop, would soon wait for the checkpoint.
    pub(crate) async fn rest(&mut self, pause: Duration) {
        if !self.backlog.is_late() {
            self.clock.sleep(rest_after(self.clock.now().since(self.began)).max(pause)).await;
        }
        self.began = self.clock.now();
    }
}
