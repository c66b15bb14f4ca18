//! [`Reconciler`]: moves everything else after the seats of the members, which are replicated state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use naxos_client::failure::NodeState;
use naxos_log_server::meta::MetaReplica;
use naxos_proto::contracts::{Join, JoinError};
use naxos_proto::ids::{MemberId, StorageId};
use tokio::sync::{mpsc, watch};

use super::Peers;
use super::join_desk::Asked;
use crate::backend::{Backend, PendingRequests};
use crate::state::Command;

/// The time between two looks at the seats.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A data directory loses its seat when its process has not answered for this long.
const SILENT_FOR: Duration = Duration::from_secs(1);

/// Every node has one. All steps may be repeated by any node at any time; after a crash it begins again from the seats.
pub(in crate::node) struct Reconciler {
    /// The data directories that founded the cluster.
    pub(in crate::node) founders: BTreeMap<MemberId, StorageId>,
    pub(in crate::node) peers: Arc<Peers>,
    pub(in crate::node) meta: Arc<MetaReplica>,
    /// The seats as the rest of the node sees them.
    pub(in crate::node) seats: watch::Sender<BTreeMap<MemberId, StorageId>>,
    /// How many units a loglet must have at least.
    pub(in crate::node) units_min: watch::Sender<usize>,
    /// Data directories that ask for a seat.
    pub(in crate::node) asked: mpsc::Receiver<Asked>,
}

impl Reconciler {
    /// Works until it is dropped.
    pub(in crate::node) async fn run(mut self, backend: &Backend, pending: &Arc<PendingRequests>) {
        loop {
            tokio::select! {
                biased;
                Some(Asked { join, answer }) = self.asked.recv() => {
                    let outcome = self.join(backend, pending, join).await;
                    // The caller may be gone.
                    let _ = answer.send(outcome);
                }
                () = backend.clock.sleep(LOOK_EVERY) => self.reconcile(backend).await,
            }
        }
    }

    /// The seats now.
    fn held(&self, backend: &Backend) -> BTreeMap<MemberId, StorageId> {
        backend.store.read().seats.held(&self.founders)
    }

    async fn reconcile(&self, backend: &Backend) {
        let held = self.held(backend);
        let lost: Vec<_> = backend.store.read().seats.lost().collect();
        // 1. This node calls the data directories that have the seats, and no others.
        self.peers.follow(&held, lost.iter().copied());
        self.seats.send_if_modified(|old| {
            let is_new = *old != held;
            old.clone_from(&held);
            is_new
        });
        // 2. They are the voters of the MetaStore. Its leader sees to that.
        let voters: BTreeSet<StorageId> = held.values().copied().collect();
        // A loglet never has fewer units than a majority of the voters (docs/protocol.md, cluster 16).
        let units_min = voters.len() / 2 + 1;
        self.units_min.send_if_modified(|old| std::mem::replace(old, units_min) != units_min);
        if let Err(error) = self.meta.set_voters(&voters).await {
            tracing::info!(error, "the voters of the metadata store are not changed yet; trying again");
        }
        // 3. The log is not kept for those that lost their seats.
        for (storage, _) in lost {
            if let Err(error) = backend.stack.view().leave(storage).await {
                tracing::debug!(%error, "a data directory that lost its seat still holds back trimming");
            }
        }
        // 4. The driver of the log takes in the units of nodes that have seats, and leaves out all others.
    }

    /// Gives the seat of a member to a new data directory, if the earlier one is gone.
    async fn join(
        &self,
        backend: &Backend,
        pending: &Arc<PendingRequests>,
        Join { member, storage, .. }: Join,
    ) -> Result<BTreeMap<MemberId, StorageId>, JoinError> {
        let held = self.held(backend);
        let refused = |why: &str| Err(JoinError::Refused(why.to_owned()));
        let known = backend.store.read().members.contains_key(&member.0);
        if !known && backend.store.read().members.is_empty() {
            return Err(JoinError::NotYet("the member that was asked does not know the members yet".to_owned()));
        }
        if !known {
            return refused("the member is not in the list of members");
        }
        let from = held.get(&member).copied();
        if from == Some(storage) {
            return Ok(held);
        }
        if backend.store.read().seats.lost().any(|(lost, _)| lost == storage) {
            return refused("it had a seat and lost it to a newer one");
        }
        if from == Some(backend.incarnation.storage) {
            return refused("the process that was asked has the seat");
        }
        if let Some(from) = from {
            self.wait_for_silence(backend, from).await?;
        }
        let taken = backend.propose(pending, Command::TakeSeat { member, storage, from }).await;
        taken.map_err(|status| JoinError::NotYet(status.message().to_owned()))?;
        let (member_id, storage_id) = (member.to_string(), format!("{:016x}", storage.0));
        tracing::warn!(member_id, storage_id, "a member came with a new data directory, which has its seat now");
        let held = self.held(backend);
        self.peers.follow(&held, from.map(|from| (from, member)));
        Ok(held)
    }

    /// Whether no process answers on this data directory.
    async fn wait_for_silence(&self, backend: &Backend, storage: StorageId) -> Result<(), JoinError> {
        let is_silent = || backend.nodes.borrow().get(&storage) == Some(&NodeState::Silent);
        if is_silent() {
            backend.clock.sleep(SILENT_FOR).await;
            if is_silent() {
                return Ok(());
            }
        }
        Err(JoinError::NotYet("the process on the member's earlier data directory still answers".to_owned()))
    }
}
