//! Keep-alives and time-to-lives of leases. The keeper of leases answers them: on this node, or on another node through
//! its [`LeaseDesk`].

use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use naxos_proto::contracts::{LeaseKeeper as Contract, LeaseKeeperError, LeaseTime};
use tonic::Status;

use super::backend::Backend;
use crate::state::EtcdError;

/// Answers other nodes, if this node is the keeper of leases.
pub(crate) struct LeaseDesk(pub(crate) Arc<Backend>);

/// A place for a [`LeaseDesk`]. The port on which other nodes ask for the desk exists before the desk does. Until the
/// desk is set, the answer is that this node is not the keeper.
#[derive(Default)]
pub(crate) struct LeaseDeskSlot(OnceLock<LeaseDesk>);

impl LeaseDeskSlot {
    pub(crate) fn set(&self, desk: LeaseDesk) {
        assert!(self.0.set(desk).is_ok(), "a node has one desk for leases");
    }
}

impl Contract for LeaseDeskSlot {
    fn renew(&self, id: i64) -> BoxFuture<'_, Result<Option<LeaseTime>, LeaseKeeperError>> {
        match self.0.get() {
            Some(desk) => desk.renew(id),
            None => Box::pin(std::future::ready(Err(LeaseKeeperError::NotKeeper))),
        }
    }

    fn time_to_live(&self, id: i64) -> BoxFuture<'_, Result<Option<LeaseTime>, LeaseKeeperError>> {
        match self.0.get() {
            Some(desk) => desk.time_to_live(id),
            None => Box::pin(std::future::ready(Err(LeaseKeeperError::NotKeeper))),
        }
    }
}

impl LeaseDesk {
    /// Waits until everything that was acknowledged before the call is applied here, because only then is the keeper in
    /// office known. Fails if that does not succeed, or if this node is not the keeper.
    async fn check_office(&self) -> Result<(), LeaseKeeperError> {
        let backend = &self.0;
        let synced = backend.linearize(&backend.gate, &backend.deadlines).await;
        synced.map_err(|status| LeaseKeeperError::Unreachable(status.message().to_owned()))?;
        backend.keeper.office().map(drop).ok_or(LeaseKeeperError::NotKeeper)
    }
}

impl Contract for LeaseDesk {
    fn renew(&self, id: i64) -> BoxFuture<'_, Result<Option<LeaseTime>, LeaseKeeperError>> {
        Box::pin(async move {
            self.check_office().await?;
            let renewed = self.0.keeper.renew(id).await;
            Ok(renewed.map(|ttl| LeaseTime { left: ttl, granted: ttl }))
        })
    }

    fn time_to_live(&self, id: i64) -> BoxFuture<'_, Result<Option<LeaseTime>, LeaseKeeperError>> {
        Box::pin(async move {
            self.check_office().await?;
            let known = self.0.keeper.time_to_live(id);
            Ok(known.map(|(left, granted)| LeaseTime { left, granted }))
        })
    }
}

impl Backend {
    /// The keeper of leases, if it is on another node.
    fn other_keeper(&self) -> Option<Arc<dyn Contract>> {
        self.roster.keepers.keeper(self.keeper.in_office().storage)
    }

    /// Gives a lease its full time-to-live again, at its keeper. Returns the time-to-live in seconds; `None` if the
    /// lease is gone. The caller has linearized.
    pub(crate) async fn renew_lease(&self, id: i64) -> Result<Option<i64>, Status> {
        match self.other_keeper() {
            None => Ok(self.keeper.renew(id).await),
            Some(keeper) => Ok(keeper.renew(id).await.map_err(status)?.map(|time| time.granted)),
        }
    }

    /// The seconds that a lease has left, and the seconds that it was granted, according to its keeper. The caller has
    /// linearized.
    pub(crate) async fn lease_time(&self, id: i64) -> Result<Option<(i64, i64)>, Status> {
        match self.other_keeper() {
            None => Ok(self.keeper.time_to_live(id)),
            Some(keeper) => Ok(keeper.time_to_live(id).await.map_err(status)?.map(|time| (time.left, time.granted))),
        }
    }
}

fn status(error: LeaseKeeperError) -> Status {
    match error {
        // The keeper changes: etcd's clients try again.
        LeaseKeeperError::NotKeeper => EtcdError::NoLeader.into(),
        LeaseKeeperError::Unreachable(why) => {
            tracing::debug!(why, "the keeper of leases did not answer");
            EtcdError::Timeout.into()
        }
    }
}
