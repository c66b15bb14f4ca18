//! [`Reconciler`]: makes everything else follow the seats of the members, which are replicated state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use naxos_client::failure::{NodeState, Roles};
use naxos_log_server::meta::MetaReplica;
use naxos_proto::contracts::{ClusterView, Join, JoinError};
use naxos_proto::ids::{MemberId, StorageId};
use tokio::sync::{mpsc, watch};

use super::Peers;
use super::cluster_view::{ClusterNames, cluster_view};
use super::join_desk::Asked;
use super::members_file::follow_members;
use super::removal::Removal;
use super::tell::tell;
use super::voters::{follow_view, servers_min, tell_roles};
use crate::backend::{Backend, PendingRequests};
use crate::state::Command;

/// The longest time between two looks at the members.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A data directory can lose its seat to a new one only when its process has not answered for at least this long.
const SILENT_FOR: Duration = Duration::from_secs(1);

/// Every node that replays the log has a reconciler. All steps may be repeated by any node at any time; after a crash
/// the reconciler begins again from the members and their seats.
pub(in crate::node) struct Reconciler {
    pub(in crate::node) names: ClusterNames,
    pub(in crate::node) peers: Arc<Peers>,
    pub(in crate::node) meta: Arc<MetaReplica>,
    /// The seats as the rest of the node sees them.
    pub(in crate::node) seats: watch::Sender<BTreeMap<MemberId, StorageId>>,
    /// What the seats allow the nodes to do.
    pub(in crate::node) roles: watch::Sender<Roles>,
    /// The log is trimmed only as far as this many members have made the state durable.
    pub(in crate::node) servers_min: Arc<AtomicUsize>,
    /// Nodes that ask for the members or for a seat.
    pub(in crate::node) asked: mpsc::Receiver<Asked>,
    /// The view that is in the file `members`.
    pub(in crate::node) written: ClusterView,
    pub(in crate::node) removal: Removal,
}

impl Reconciler {
    /// Works until it is dropped.
    pub(in crate::node) async fn run(mut self, backend: &Backend, pending: &Arc<PendingRequests>) {
        let mut membership = backend.store.membership();
        loop {
            self.reconcile(backend).await;
            tokio::select! {
                biased;
                Some(Asked { join, answer }) = self.asked.recv() => {
                    let outcome = match join {
                        Some(join) => self.join(backend, pending, join).await,
                        None => self.look(backend).await,
                    };
                    // The caller may be gone.
                    let _ = answer.send(outcome);
                }
                Ok(()) = membership.changed() => {}
                () = backend.clock.sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// The cluster now, as far as this node has applied the log.
    fn view(&self, backend: &Backend) -> ClusterView {
        cluster_view(&backend.store, &self.names, backend.reader.applied())
    }

    async fn reconcile(&mut self, backend: &Backend) {
        backend.note_membership();
        let view = self.view(backend);
        if view.members.is_empty() {
            // The members are not in the log yet. Until they are, the members that the flags list are the right ones.
            return;
        }
        if backend.fence.is_up() {
            // The state of this node differs from that of the others, and its list of members may be the difference.
            return;
        }
        let lost: Vec<_> = backend.store.read().seats.lost().collect();
        // 1. This node makes links to the data directories that have the seats, and sends heartbeats only to these.
        self.peers.book().set_all(&view);
        // The roles come first, so that the driver knows of a learner before it sees the learner's node.
        self.tell_roles(backend, &view);
        self.peers.follow(&view.seats, lost.iter().copied(), &self.meta.members());
        tell(&self.seats, view.seats.clone());
        self.write(backend, &view).await;
        // 2. The data directories that have the seats are the voters of the MetaStore, or learn from the voters. The
        //    leader of the MetaStore sees to that.
        follow_view(&self.meta, &view, &backend.nodes).await;
        self.tell_roles(backend, &view);
        // 3. The log is not kept for those that lost their seats. While the engine is off, they stay in the view.
        self.servers_min.store(servers_min(&view), Ordering::Relaxed);
        let server_view = backend.stack.view();
        for (storage, _) in lost.into_iter().filter(|_| server_view.is_on()) {
            if let Err(error) = server_view.leave(storage).await {
                tracing::debug!(%error, "a data directory that lost its seat still holds back trimming");
            }
        }
        // 4. The driver of the log takes in the units of nodes that have seats, and leaves out all others.
        // 5. A node whose member was removed ends when nothing needs its unit and its replica any more.
        self.end_if_removed(backend, &view);
    }

    fn tell_roles(&self, backend: &Backend, view: &ClusterView) {
        tell_roles(&self.roles, &self.meta, view, backend.store.read().seats.lost().map(|(storage, _)| storage));
    }

    /// Writes the view down for the next start, if the members or their seats have changed.
    async fn write(&mut self, backend: &Backend, view: &ClusterView) {
        follow_members(&*backend.disk, &mut self.written, view).await;
    }

    fn end_if_removed(&mut self, backend: &Backend, view: &ClusterView) {
        let own = backend.incarnation.storage;
        let is_member = view.members.contains_key(&MemberId(backend.member_id));
        if is_member || !backend.store.read().removed.contains(&backend.member_id) {
            return;
        }
        if self.removal.is_over(own, backend.clock.now(), &backend.log.chain().1, &self.meta) {
            backend.removed.cancel();
        }
    }

    /// The view with the voters, as the replica of this node knows them now. Other nodes are told the voters, but the file
    /// `members` does not have them, because the next start reads them from its replica.
    fn with_voters(&self, view: ClusterView) -> ClusterView {
        ClusterView { voters: self.meta.voters(), ..view }
    }

    /// The cluster at the tail of the log.
    async fn look(&self, backend: &Backend) -> Result<ClusterView, JoinError> {
        let synced = backend.linearize(&backend.gate, &backend.deadlines).await;
        synced.map_err(|status| JoinError::NotYet(status.message().to_owned()))?;
        let view = self.view(backend);
        if view.members.is_empty() {
            return Err(JoinError::NotYet("the member that was asked does not know the members yet".to_owned()));
        }
        Ok(self.with_voters(view))
    }

    /// Gives the seat of a member to a new data directory, if the earlier one is gone.
    async fn join(
        &mut self,
        backend: &Backend,
        pending: &Arc<PendingRequests>,
        Join { member, storage, understood, .. }: Join,
    ) -> Result<ClusterView, JoinError> {
        let view = self.look(backend).await?;
        let refused = |why: &str| Err(JoinError::Refused(why.to_owned()));
        if !view.members.contains_key(&member) {
            let was_removed = backend.store.read().removed.contains(&member.0);
            return refused(match was_removed {
                true => "the member has been permanently removed from the cluster",
                false => "the member is not in the list of members",
            });
        }
        // This is checked before the seat is given: else the earlier data directory would lose it to one that cannot
        // start.
        if let Err(newer) = view.version.check_for(understood) {
            return refused(&newer.to_string());
        }
        let from = view.seats.get(&member).copied();
        if from == Some(storage) {
            return Ok(view);
        }
        if backend.store.read().seats.lost().any(|(lost, _)| lost == storage) {
            return refused("the data directory had a seat and lost it to a newer data directory");
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
        let view = self.view(backend);
        self.peers.book().set_all(&view);
        self.tell_roles(backend, &view);
        self.peers.follow(&view.seats, from.map(|from| (from, member)), &self.meta.members());
        // The view is written down before the new node knows that it has a seat. So this node finds the new node again
        // at this node's next start.
        self.write(backend, &view).await;
        Ok(self.with_voters(view))
    }

    /// Succeeds if no process answers on this data directory, neither now nor after [`SILENT_FOR`].
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
