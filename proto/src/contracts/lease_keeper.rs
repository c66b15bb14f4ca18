//! The keeper of leases. Nodes that are not the keeper ask it.

use futures::future::BoxFuture;

/// How long a lease lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTime {
    /// Seconds that are left.
    pub left: i64,
    /// Seconds that were granted.
    pub granted: i64,
}

/// Why a keeper did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseKeeperError {
    /// The node that was asked is not the keeper (any more, or not yet).
    #[error("the node is not the keeper of leases")]
    NotKeeper,
    /// The keeper did not answer in time. A lease may have been renewed.
    #[error("the keeper of leases does not answer: {0}")]
    Unreachable(String),
}

/// The node that decides when leases end. `None` means that there is no such lease.
pub trait LeaseKeeper: Send + Sync {
    /// Gives a lease its full time-to-live again. Answers only after a tail check that began after the call.
    fn renew(&self, id: i64) -> BoxFuture<'_, Result<Option<LeaseTime>, LeaseKeeperError>>;

    /// How long a lease lives. It too answers only after a tail check that began after the call.
    fn time_to_live(&self, id: i64) -> BoxFuture<'_, Result<Option<LeaseTime>, LeaseKeeperError>>;
}
