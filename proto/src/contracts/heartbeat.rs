//! Heartbeats: the state that nodes tell each other when no other message carries it.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::ids::{ChainVersion, Incarnation, LogletId, Lsn, Offset};

/// The state of one node, as the node tells it to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The node that sends this beat.
    pub from: Incarnation,
    /// The version of the newest chain that the node has seen. If it is higher than the receiver's, the receiver has
    /// to fetch the chain.
    pub chain: ChainVersion,
    /// The active loglet, and the node's known tail of it.
    pub known_tail: Option<(LogletId, Offset)>,
    /// The position up to which the node's local store has applied the log.
    pub applied: Lsn,
    /// How long the node's oldest unfinished sync has been running. It shows a disk that hangs while the network
    /// works.
    pub oldest_sync: Duration,
    /// How long ago the node's sequencer last heard from a write quorum.
    pub quorum_heard: Option<Duration>,
}

/// Why a heartbeat was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    /// The peer has already seen a higher boot count of the sender's data directory. So the directory is a copy, or it
    /// was restored from a backup (safety rule 13).
    #[error("storage {seen} was seen later than {from}: this data directory is a copy or was restored")]
    Forgot {
        /// The sender.
        from: Incarnation,
        /// The later process that the peer has seen.
        seen: Incarnation,
    },
    /// The peer did not answer in time.
    #[error("the peer does not answer: {0}")]
    Unreachable(String),
}

/// A node that answers heartbeats.
pub trait Heartbeat: Send + Sync {
    /// Sends `mine` and returns the peer's beat.
    fn beat(&self, mine: Beat) -> BoxFuture<'_, Result<Beat, HeartbeatError>>;
}
