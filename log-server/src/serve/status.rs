//! [`Status`]: facts about the committer that the rest of the node may read.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use naxos_proto::release::ClusterVersion;
use naxos_proto::seams::Instant;
use parking_lot::Mutex;

/// Disk space that the journal takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Number of segments in use, without the spare.
    pub segments: u64,
    /// Total length of these segments.
    pub bytes: u64,
}

/// Facts about the committer. The committer writes them, and any thread may read them.
#[derive(Default)]
pub(crate) struct Status {
    poisoned: Mutex<Option<String>>,
    /// When the current write and sync started, in nanoseconds on the node's clock, plus one. Zero while none runs.
    /// After a write or sync that failed, it is never set to zero again.
    sync_started: AtomicU64,
    segments: AtomicU64,
    bytes: AtomicU64,
    /// If the last store was refused because the disk is full: how many bytes must be free before a store is accepted.
    /// Otherwise zero.
    wanted: AtomicU64,
    /// See [`Self::cluster_version`].
    cluster_version: AtomicU32,
    /// How many batches of the journal are durable, counted from the first one of the data directory.
    synced: AtomicU64,
}

impl Status {
    /// Notes the cluster version that the data directory names. From now on the journal may hold the formats that came
    /// with this version.
    pub(crate) fn set_cluster_version(&self, version: ClusterVersion) {
        self.cluster_version.store(version.0, Ordering::Relaxed);
    }

    /// The cluster version up to which new formats may be written to the journal.
    pub(crate) fn cluster_version(&self) -> ClusterVersion {
        ClusterVersion(self.cluster_version.load(Ordering::Relaxed))
    }

    /// Notes how many batches of the journal are durable.
    pub(crate) fn set_synced(&self, batches: u64) {
        // The committer sets this number before it publishes the batch. So a reader that has seen published state of
        // the batch also reads a number that counts the batch.
        self.synced.store(batches, Ordering::Release);
    }

    /// How many batches of the journal are durable.
    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Notes that a write and sync starts.
    pub(crate) fn sync_started(&self, now: Instant) {
        self.sync_started.store(now.0.saturating_add(1), Ordering::Relaxed);
    }

    /// Notes that the write and sync ended.
    pub(crate) fn sync_ended(&self) {
        self.sync_started.store(0, Ordering::Relaxed);
    }

    /// How long the current write and sync has been running. After a failed one: the time since it started. `None` if
    /// none runs and none has failed.
    pub(crate) fn oldest_sync_age(&self, now: Instant) -> Option<Duration> {
        let started = self.sync_started.load(Ordering::Relaxed);
        started.checked_sub(1).map(|at| now.since(Instant(at)))
    }

    /// Notes that the unit is read-only from now on, and why. Only the first reason is kept.
    pub(crate) fn poison(&self, text: &str) {
        self.poisoned.lock().get_or_insert_with(|| text.to_owned());
    }

    /// Why the unit is read-only, if it is.
    pub(crate) fn poisoned(&self) -> Option<String> {
        self.poisoned.lock().clone()
    }

    /// Notes that a store was refused, and that `free` bytes must be free before a store is accepted.
    pub(crate) fn stores_want(&self, free: u64) {
        self.wanted.store(free, Ordering::Relaxed);
    }

    /// Notes that a store was accepted, or that the disk has room for a store again.
    pub(crate) fn stores_go(&self) {
        self.wanted.store(0, Ordering::Relaxed);
    }

    /// How many bytes must be free before a store is accepted. Zero if the last store was accepted, or if room was made
    /// after the last refusal.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Notes the disk space that the journal takes.
    pub(crate) fn set_usage(&self, usage: DiskUsage) {
        self.segments.store(usage.segments, Ordering::Relaxed);
        self.bytes.store(usage.bytes, Ordering::Relaxed);
    }

    /// Disk space that the journal takes.
    pub(crate) fn usage(&self) -> DiskUsage {
        DiskUsage { segments: self.segments.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}
