//! Joining: a node with a new data directory learns who the members are, and takes the seat of its member.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;

use crate::ids::{ClusterId, LogId, Lsn, MemberId, StorageId};
use crate::release::ClusterVersion;

/// The question of a node whose data directory is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// The log of the cluster.
    pub log: LogId,
    /// The member whose seat the node takes.
    pub member: MemberId,
    /// The node's data directory.
    pub storage: StorageId,
    /// The highest cluster version that the node understands. The node is refused if the cluster has a higher one.
    pub understood: ClusterVersion,
}

/// A member as etcd's clients see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedMember {
    /// Its name. Empty as long as the member has never started.
    pub name: String,
    /// The URLs under which the other members reach it, at least one.
    pub peer_urls: Vec<String>,
    /// Whether it is a learner: it has no vote and holds no part of the log.
    pub is_learner: bool,
}

/// The members of a cluster and their data directories, as one node knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// etcd's cluster id.
    pub cluster: ClusterId,
    /// The log of the cluster.
    pub log: LogId,
    /// The position up to which the node had applied the log. Of two views the one with the higher position is newer.
    pub at: Lsn,
    /// The data directories that founded the cluster.
    pub founders: BTreeMap<MemberId, StorageId>,
    /// The data directory that each member has now. A member that was added and has not come yet has none.
    pub seats: BTreeMap<MemberId, StorageId>,
    /// The members. Empty if the node has not learnt them yet.
    pub members: BTreeMap<MemberId, ListedMember>,
    /// The version on which the members have agreed.
    pub version: ClusterVersion,
    /// The data directories whose replicas of the MetaStore vote. Empty if the node does not know them, and while they are
    /// being changed.
    pub voters: BTreeSet<StorageId>,
}

impl ClusterView {
    /// The newest of some views. If several are equally new, the one that comes last in `views`.
    pub fn newest(views: impl IntoIterator<Item = ClusterView>) -> Option<ClusterView> {
        views.into_iter().max_by_key(|view| view.at)
    }
}

/// Why a call of [`Joining`] gave no view of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The node that was asked cannot answer yet, or the seat may be given later: ask again.
    #[error("not yet: {0}")]
    NotYet(String),
    /// The node will never get the seat.
    #[error("{0}")]
    Refused(String),
    /// The node that was asked could not be reached, did not answer in time, or sent a broken answer. The seat may have
    /// been given.
    #[error("no answer: {0}")]
    Unreachable(String),
}

/// A node of the cluster that knows the members and gives seats. Every call may be repeated. Deadline of a call between
/// nodes: `CALL_MAX`.
pub trait Joining: Send + Sync {
    /// The cluster as the node knows it now. It may know less than others.
    fn look(&self) -> BoxFuture<'_, Result<ClusterView, JoinError>>;

    /// Gives the seat of a member to a new data directory, durably, and returns the cluster after that. The seat is given
    /// only if no process answers on the member's earlier data directory. The earlier directory never counts again.
    fn join(&self, join: Join) -> BoxFuture<'_, Result<ClusterView, JoinError>>;
}
