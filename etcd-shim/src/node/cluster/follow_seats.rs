//! [`follow_seats`]: a node that starts learns of new data directories from the others.
//!
//! A node learns from the log which data directory has which seat. While it starts, it may not be able to read the log
//! without a storage unit that got its seat only now. So until the reconciler runs, it asks the others.
//!
//! If the node leads the MetaStore, the replica on that new data directory waits for this node, too: only the leader
//! takes replicas in.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use naxos_client::failure::{NodeState, Roles};
use naxos_log_server::meta::MetaReplica;
use naxos_proto::contracts::{ClusterView, Joining};
use naxos_proto::ids::{MemberId, StorageId};
use naxos_proto::seams::Seams;
use tokio::sync::watch;

use super::Peers;
use super::join::others;
use super::voters::{follow_view, tell_roles};

/// The time between two rounds of questions, and the longest time for an answer.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What [`follow_seats`] keeps up to date.
pub(in crate::node) struct Followers<'a> {
    pub(in crate::node) peers: &'a Peers,
    pub(in crate::node) meta: &'a MetaReplica,
    /// What the driver of the log, which runs already, may do.
    pub(in crate::node) roles: &'a watch::Sender<Roles>,
    pub(in crate::node) nodes: &'a watch::Receiver<BTreeMap<StorageId, NodeState>>,
}

/// Asks the other members again and again which data directory has which seat. Makes links to the data directories that
/// this node does not know yet, and lets the MetaStore and the driver of the log follow. Never ends.
/// # Cancel safety
/// A step of a change of the MetaStore's replicas may be made or not. It may be repeated.
pub(in crate::node) async fn follow_seats(
    seams: &Seams,
    Followers { peers, meta, roles, nodes }: Followers<'_>,
    own: MemberId,
    mut known: ClusterView,
) {
    let mut left = roles.borrow().left.clone();
    loop {
        seams.clock.sleep(ASK_EVERY).await;
        let asked = others(seams, peers.book(), own);
        let answers = join_all(asked.iter().map(|other| async {
            tokio::select! {
                biased;
                answer = other.look() => answer.ok(),
                () = seams.clock.sleep(ASK_EVERY) => None,
            }
        }));
        // Only a view that was told just now counts. An older one may name members that are gone.
        let newest = ClusterView::newest(answers.await.into_iter().flatten());
        let Some(view) = newest.filter(|view| view.at >= known.at && view.log == known.log) else { continue };
        if view.seats != known.seats {
            tracing::info!(at = view.at.0, "the other members know of new data directories");
            left.extend(known.seats.values().filter(|storage| view.seats.values().all(|held| held != *storage)));
            peers.book().set_all(&view);
        }
        // The roles come first: the driver must not see the node of a learner without knowing that it is one.
        tell_roles(roles, meta, &view, left.iter().copied());
        peers.follow(&view.seats, [], &meta.members());
        follow_view(meta, &view, nodes).await;
        tell_roles(roles, meta, &view, left.iter().copied());
        known = view;
    }
}
