//! Heartbeats: what nodes tell each other when nothing else carries it.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::ids::{ChainVersion, Incarnation, LogletId, Lsn, Offset};

/// What one node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Who says it.
    pub from: Incarnation,
    /// The newest chain that it has seen; a higher one than the receiver's means: fetch.
    pub chain: ChainVersion,
    /// The active loglet and its known tail there.
    pub known_tail: Option<(LogletId, Offset)>,
    /// How far its local store has applied the log.
    pub applied: Lsn,
    /// Age of its oldest unfinished sync: a disk that hangs while the network lives.
    pub oldest_sync: Duration,
    /// When its sequencer last heard a write quorum, as an age.
    pub quorum_heard: Option<Duration>,
}

/// Why a heartbeat was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    /// The peer remembers a later life of the sender's storage (safety rule 13).
    #[error("storage {seen} was seen later than {from}: this data directory is a copy or was restored")]
    Forgot {
        /// The sender.
        from: Incarnation,
        /// The later life.
        seen: Incarnation,
    },
    /// No answer in time.
    #[error("the peer does not answer: {0}")]
    Unreachable(String),
}

/// A node that listens to heartbeats.
pub trait Heartbeat: Send + Sync {
    /// Tells `mine`, learns the peer's.
    fn beat(&self, mine: Beat) -> BoxFuture<'_, Result<Beat, HeartbeatError>>;
}
