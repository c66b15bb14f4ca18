//! [`LogServerConfig`]: the settings of a log server, with their defaults.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::ids::{LogId, MemberId};

use crate::open_error::OpenError;

/// A preamble and a batch may each take a quarter of a segment. A smaller segment would hold too little metadata.
pub const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// The index holds each byte position in a segment as a `u32`. This length is well below that bound.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Is called after each sync with the time that it took.
pub type SyncObserver = Arc<dyn Fn(Duration) + Send + Sync>;

/// The settings of a log server.
#[derive(Clone)]
pub struct LogServerConfig {
    /// Length of a new journal segment: a multiple of 4096, 64 KiB to 1 GiB.
    pub segment_bytes: u64,
    /// Least time from the start of one sync to the start of the next, unless only one command waits.
    pub pace: Duration,
    /// At most this many client commands wait in the queue. Some more may wait if they change metadata, because a seal
    /// must get through.
    pub queue_commands_max: u64,
    /// At most this many bytes of cells wait in the queue.
    pub queue_bytes_max: u64,
    /// The commands of a batch, which is written with one sync, have at most this many bytes together. A store that is
    /// larger is a batch of its own.
    pub batch_bytes_max: u64,
    /// At most this many bytes of recent cells are kept in memory.
    pub cache_bytes_max: usize,
    /// Bytes of the disk that are kept free for checkpoints of the local store. While fewer are free, stores are
    /// refused.
    pub reserve_bytes: u64,
    /// At most this many reads of cells that are no longer in memory wait for the Worker that reads the disk.
    pub cold_reads_max: usize,
    /// The id of the log, for formatting a new data directory. `None` draws one at random. A directory with a record of
    /// its founding is formatted with the ids of the record, and this and `member` are not used.
    pub log: Option<LogId>,
    /// The seat in the cluster (etcd's member id), for formatting a new data directory. `None` draws one at random.
    pub member: Option<MemberId>,
    /// Is called after each sync of the journal.
    pub on_sync: Option<SyncObserver>,
}

impl Default for LogServerConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            pace: Duration::from_micros(400),
            queue_commands_max: 65_536,
            queue_bytes_max: 64 << 20,
            batch_bytes_max: 8 << 20,
            cache_bytes_max: 32 << 20,
            reserve_bytes: 64 << 20,
            cold_reads_max: 256,
            log: None,
            member: None,
            on_sync: None,
        }
    }
}

impl LogServerConfig {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let range = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
        if !range.contains(&self.segment_bytes) || !self.segment_bytes.is_multiple_of(4_096) {
            let expected = "a multiple of 4096 from 64 KiB to 1 GiB";
            return Err(OpenError::Config { field: "segment_bytes", expected });
        }
        if self.queue_commands_max == 0 || self.queue_bytes_max == 0 || self.batch_bytes_max == 0 {
            return Err(OpenError::Config { field: "queue and batch bounds", expected: "above zero" });
        }
        Ok(())
    }

    /// Length limit of one store in bytes: a quarter of a segment, so that a preamble and a batch always fit one
    /// segment. A store that is larger than [`Self::gathered_bytes_max`] is a batch of its own.
    pub(crate) fn store_bytes_max(&self) -> u64 {
        self.segment_bytes / 4
    }

    /// Length limit in bytes of a batch that has several stores.
    pub(crate) fn gathered_bytes_max(&self) -> u64 {
        self.batch_bytes_max.min(self.store_bytes_max())
    }
}
