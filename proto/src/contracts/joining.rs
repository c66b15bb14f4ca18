//! Joining: a node with a new data directory takes the seat of its member again.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::ids::{LogId, MemberId, StorageId};

/// The question of a node whose data directory is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// The log of the cluster.
    pub log: LogId,
    /// The member whose seat the node takes.
    pub member: MemberId,
    /// The node's data directory.
    pub storage: StorageId,
}

/// Why a node may not take a seat.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// It may be able to later: ask again.
    #[error("not yet: {0}")]
    NotYet(String),
    /// It may never.
    #[error("{0}")]
    Refused(String),
    /// The node that was asked did not answer in time. The seat may have been given.
    #[error("no answer: {0}")]
    Unreachable(String),
}

/// A node of the cluster that gives seats. Every call may be repeated. Deadline of a call between nodes: `CALL_MAX`.
pub trait Joining: Send + Sync {
    /// Gives the seat of a member to a new data directory, durably, and returns the data directory of each member. The
    /// seat is given only if no process answers on the member's earlier data directory. That one never counts again.
    fn join(&self, join: Join) -> BoxFuture<'_, Result<BTreeMap<MemberId, StorageId>, JoinError>>;
}
