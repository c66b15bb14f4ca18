//! [`Status`]: what the committer tells the rest of the node about itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use naxos_proto::seams::Instant;
use parking_lot::Mutex;

/// What the journal takes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Segments in use, the spare aside.
    pub segments: u64,
    /// Their length in bytes.
    pub bytes: u64,
}

/// Written by the committer, read by anyone.
#[derive(Default)]
pub(crate) struct Status {
    poisoned: Mutex<Option<String>>,
    /// Start of the write and sync under way, plus one; zero while there is none.
    sync_started: AtomicU64,
    segments: AtomicU64,
    bytes: AtomicU64,
    /// Free bytes that the last store was refused for want of; zero if it was taken.
    wanted: AtomicU64,
}

impl Status {
    /// A write and sync starts.
    pub(crate) fn sync_started(&self, now: Instant) {
        self.sync_started.store(now.0.saturating_add(1), Ordering::Relaxed);
    }

    /// It ended.
    pub(crate) fn sync_ended(&self) {
        self.sync_started.store(0, Ordering::Relaxed);
    }

    /// Age of the write and sync under way.
    pub(crate) fn oldest_sync_age(&self, now: Instant) -> Option<Duration> {
        let started = self.sync_started.load(Ordering::Relaxed);
        started.checked_sub(1).map(|at| now.since(Instant(at)))
    }

    /// The unit is read-only from now on.
    pub(crate) fn poison(&self, text: &str) {
        self.poisoned.lock().get_or_insert_with(|| text.to_owned());
    }

    /// Why the unit is read-only.
    pub(crate) fn poisoned(&self) -> Option<String> {
        self.poisoned.lock().clone()
    }

    /// A store was refused: so many bytes have to be free before one is taken.
    pub(crate) fn stores_want(&self, free: u64) {
        self.wanted.store(free, Ordering::Relaxed);
    }

    /// A store was taken, or there is room for one again.
    pub(crate) fn stores_go(&self) {
        self.wanted.store(0, Ordering::Relaxed);
    }

    /// Free bytes without which stores are refused, as far as that is known from the last one.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Notes what the journal takes.
    pub(crate) fn set_usage(&self, usage: DiskUsage) {
        self.segments.store(usage.segments, Ordering::Relaxed);
        self.bytes.store(usage.bytes, Ordering::Relaxed);
    }

    /// What the journal takes.
    pub(crate) fn usage(&self) -> DiskUsage {
        DiskUsage { segments: self.segments.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}
