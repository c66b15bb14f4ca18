//! [`HandOver`]: a node that is going to stop, or that must not lead, hands the sequencer and the lead of the MetaStore
//! over to other nodes, so that the clients of those nodes notice nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos_client::VirtualLog;
use naxos_client::failure::NodeState;
use naxos_log_server::meta::MetaReplica;
use naxos_proto::ids::{Incarnation, MemberId, StorageId};
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::role::Role;
use naxos_proto::seams::{Clock, Tasks};
use tokio::sync::watch;

use crate::backend::Backend;

/// How long a node waits at most until other nodes have the sequencer and the lead of the MetaStore.
const HAND_OVER_MAX: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct HandOver {
    pub(super) log: Arc<VirtualLog>,
    pub(super) meta: Arc<MetaReplica>,
    /// This process.
    pub(super) own: Incarnation,
    /// The states of all nodes.
    pub(super) nodes: watch::Receiver<BTreeMap<StorageId, NodeState>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: Tasks,
    /// Whether the member of a data directory has a vote.
    pub(super) may_lead: Box<dyn Fn(StorageId) -> bool + Send + Sync>,
}

impl HandOver {
    /// The parts of a node that serves clients.
    pub(super) fn of(backend: &Backend) -> Self {
        let (store, seats) = (Arc::clone(&backend.store), backend.roster.seats.clone());
        let may_lead = move |storage| {
            let seated = seats.borrow().iter().find(|(_, seated)| **seated == storage).map(|(member, _)| *member);
            let votes = |member: MemberId| store.read().members.get(&member.0).is_some_and(|listed| !listed.is_learner);
            seated.is_some_and(votes)
        };
        HandOver {
            log: Arc::clone(&backend.log),
            meta: Arc::clone(&backend.meta),
            own: backend.incarnation,
            nodes: backend.nodes.clone(),
            clock: Arc::clone(&backend.clock),
            tasks: backend.tasks.clone(),
            may_lead: Box::new(may_lead),
        }
    }

    /// Moves the sequencer to another member that is alive, and then lets another member lead the MetaStore. Does
    /// nothing if this node has neither of the two, or if no other member can take over. Gives up after
    /// [`HAND_OVER_MAX`].
    /// # Cancel safety
    /// The call may be dropped. The sequencer may be moved all the same.
    pub(super) async fn run(&self) {
        let meta = &self.meta;
        let offices = async {
            if self.has_sequencer()
                && let Some(target) = self.successor(meta.leader())
            {
                tracing::info!(
                    storage_id = format!("{:016x}", target.0),
                    "handing the sequencer over to another member"
                );
                let log = Arc::clone(&self.log);
                let moved = self.tasks.finish("hand-over", async move { log.move_sequencer(target).await });
                if let Some(Err(error)) = moved.await {
                    tracing::warn!(%error, "the sequencer was not handed over; another member will take it");
                }
            }
            if meta.leader() == Some(self.own.storage) && meta.voters().len() > 1 {
                meta.yield_leadership().await;
            }
        };
        tokio::select! {
            biased;
            () = offices => {}
            () = self.clock.sleep(HAND_OVER_MAX) => {
                tracing::warn!("the sequencer or the lead of the metadata store was not handed over in time");
            }
        }
    }

    /// Whether the sequencer of the active loglet is this process.
    pub(super) fn has_sequencer(&self) -> bool {
        let (_, chain) = self.log.chain();
        LogletRoles::of(&chain.active().params).is_ok_and(|roles| roles.sequencer == self.own)
    }

    /// Another member that is alive and may have the sequencer; the leader of the MetaStore only if there is no other.
    fn successor(&self, meta_leader: Option<StorageId>) -> Option<StorageId> {
        let nodes = self.nodes.borrow().clone();
        let alive = nodes.iter().filter(|(_, state)| state.alive().is_some()).map(|(storage, _)| *storage);
        let may = |storage: &StorageId| {
            *storage != self.own.storage && Role::of(*storage).has_sequencer() && (self.may_lead)(*storage)
        };
        alive.filter(may).min_by_key(|storage| (Some(*storage) == meta_leader, *storage))
    }
}
