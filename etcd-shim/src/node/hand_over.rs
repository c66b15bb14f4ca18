//! [`hand_over`]: a node that is going to stop, or that must not lead, hands the sequencer and the lead of the MetaStore
//! over to other nodes, so that the clients of those nodes notice nothing.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::ids::{MemberId, StorageId};

use crate::backend::Backend;

/// How long a node that stops waits at most until other nodes have the sequencer and the lead of the MetaStore.
const HAND_OVER_MAX: Duration = Duration::from_secs(1);

/// Moves the sequencer to another member that is alive, and then lets another one lead the MetaStore. Does nothing if
/// this node has neither of the two, or if there is nobody to take over.
/// # Cancel safety
/// The call may be dropped. The sequencer may be moved all the same.
pub(super) async fn hand_over(backend: &Backend) {
    let meta = &backend.meta;
    let offices = async {
        if backend.sequenced_loglet().is_some()
            && let Some(target) = successor(backend, meta.leader())
        {
            tracing::info!(storage_id = format!("{:016x}", target.0), "handing the sequencer over to another member");
            let log = Arc::clone(&backend.log);
            let moved = backend.tasks.finish("hand-over", async move { log.move_sequencer(target).await });
            if let Some(Err(error)) = moved.await {
                tracing::warn!(%error, "the sequencer was not handed over; another member will take it");
            }
        }
        if meta.leader() == Some(backend.incarnation.storage) && meta.voters().len() > 1 {
            meta.yield_leadership().await;
        }
    };
    tokio::select! {
        biased;
        () = offices => {}
        () = backend.clock.sleep(HAND_OVER_MAX) => {
            tracing::warn!("the sequencer or the lead of the metadata store was not handed over in time");
        }
    }
}

/// Another member that is alive and has a vote; the leader of the MetaStore only if there is no other.
fn successor(backend: &Backend, meta_leader: Option<StorageId>) -> Option<StorageId> {
    let nodes = backend.nodes.borrow().clone();
    let store = backend.store.read();
    let votes = |member: &MemberId| store.members.get(&member.0).is_some_and(|member| !member.is_learner);
    let seats = backend.roster.seats.borrow();
    let others = seats.iter().filter(|(member, storage)| votes(member) && **storage != backend.incarnation.storage);
    let alive =
        others.map(|(_, storage)| *storage).filter(|storage| nodes.get(storage).is_some_and(|s| s.alive().is_some()));
    alive.min_by_key(|storage| (Some(*storage) == meta_leader, *storage))
}
