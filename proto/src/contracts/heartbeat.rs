//! Heartbeats: the state that nodes tell each other all the time, whether or not they send other messages.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::contracts::{StartMark, SyncedBatches};
use crate::ids::{ChainVersion, Incarnation, LogId, LogletId, Lsn, Offset, StorageId};
use crate::release::ClusterVersion;

/// The state of one node, as the node tells it to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The node that sends this beat.
    pub from: Incarnation,
    /// Drawn at random at the sender's start. Two processes that start from copies of one data directory may have the same
    /// boot count, but they draw different numbers.
    pub nonce: u64,
    /// Whether the other nodes have admitted the sender. Until then it takes no part in anything.
    pub admitted: bool,
    /// The latest start on each data directory that the sender has noted durably. From this list the receiver learns
    /// which of its own starts the sender remembers, and which starts of the other nodes.
    pub noted: Vec<(StorageId, StartMark)>,
    /// How many durable batches the journals of other nodes had, as far as the sender was told.
    pub synced: Vec<(StorageId, SyncedBatches)>,
    /// The other nodes that the sender sees alive now: they answer, are admitted, and their disks work.
    pub hears: Vec<StorageId>,
    /// The version of the newest chain that the node has seen. If it is higher than the receiver's, the receiver has
    /// to fetch the chain.
    pub chain: ChainVersion,
    /// The active loglet, and the node's known tail of it.
    pub known_tail: Option<(LogletId, Offset)>,
    /// The position up to which the node's local store has applied the log.
    pub applied: Lsn,
    /// How long the node's oldest unfinished sync has been running. It shows a disk that hangs while the network
    /// works. For a unit that is read-only since a disk error it is a day.
    pub oldest_sync: Duration,
    /// How long ago the node's sequencer last heard from a write quorum. No node tells this yet: it is always `None`.
    pub quorum_heard: Option<Duration>,
    /// The highest cluster version that the node understands.
    pub understood: ClusterVersion,
}

impl Beat {
    /// The start of the process that sends this beat.
    pub fn start(&self) -> StartMark {
        StartMark { boot: self.from.boot, nonce: self.nonce }
    }
}

/// Why a heartbeat had no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    /// The peer does not answer. The text says why.
    #[error("the peer does not answer: {0}")]
    Silent(String),
    /// The peer belongs to another log, which has this id.
    #[error("the peer belongs to log {0}")]
    OtherLog(LogId),
}

/// A node that answers heartbeats.
pub trait Heartbeat: Send + Sync {
    /// Sends `mine` and returns the peer's beat.
    fn beat(&self, mine: Beat) -> BoxFuture<'_, Result<Beat, HeartbeatError>>;
}
