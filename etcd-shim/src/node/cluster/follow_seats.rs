//! [`follow_seats`]: a node learns of new data directories from the others, as long as it cannot learn of them from the log.
//!
//! A node learns from the log which data directory has which seat. While it starts, it may not be able to read the log
//! without a storage unit that got its seat only now. So until the reconciler runs, it asks the others. A log server or a
//! sequencer never replays the log, so it always asks.
//!
//! There is a second reason if the node leads the MetaStore: only the leader adds replicas to the MetaStore. So the
//! replica on a new data directory waits until this node has learned of that data directory.

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
pub(super) const ASK_EVERY: Duration = Duration::from_millis(500);

/// What a node knows of the seats, and the parts of the node that must follow the seats.
pub(in crate::node) struct Followers<'a> {
    pub(in crate::node) peers: &'a Peers,
    pub(in crate::node) meta: &'a MetaReplica,
    /// What the driver of the log, which runs already, may do.
    pub(in crate::node) roles: &'a watch::Sender<Roles>,
    pub(in crate::node) nodes: &'a watch::Receiver<BTreeMap<StorageId, NodeState>>,
    /// The member of this node.
    pub(in crate::node) own: MemberId,
    /// The newest view that is known.
    pub(in crate::node) known: ClusterView,
}

/// Asks the other members again and again which data directory has which seat. Never ends.
/// # Cancel safety
/// As [`Followers::look`].
pub(in crate::node) async fn follow_seats(seams: &Seams, mut followers: Followers<'_>) {
    loop {
        seams.clock.sleep(ASK_EVERY).await;
        followers.look(seams).await;
    }
}

impl Followers<'_> {
    /// Asks the other members once which data directory has which seat. Makes links to the data directories that this node
    /// does not know yet, and lets the MetaStore and the driver of the log follow. Returns whether a member told a view
    /// of the same log that is not older than the known view.
    /// # Cancel safety
    /// A step of a change of the MetaStore's replicas may be made or not. It may be repeated.
    pub(in crate::node) async fn look(&mut self, seams: &Seams) -> bool {
        let asked = others(seams, self.peers.book(), self.own);
        let answers = join_all(asked.iter().map(|other| async {
            tokio::select! {
                biased;
                answer = other.look() => answer.ok(),
                () = seams.clock.sleep(ASK_EVERY) => None,
            }
        }));
        // If no member answers, the known view is not followed a second time: it may name members that are gone.
        let newest = ClusterView::newest(answers.await.into_iter().flatten());
        let known = &self.known;
        let Some(view) = newest.filter(|view| view.at >= known.at && view.log == known.log) else { return false };
        let mut left = self.roles.borrow().left.clone();
        if view.seats != known.seats {
            tracing::info!(at = view.at.0, "the other members know of new data directories");
            left.extend(known.seats.values().filter(|storage| view.seats.values().all(|held| held != *storage)));
            self.peers.book().set_all(&view);
        }
        let Self { peers, meta, roles, nodes, .. } = self;
        // The roles come first: the driver must not see the node of a learner without knowing that it is one.
        tell_roles(roles, meta, &view, left.iter().copied());
        peers.follow(&view.seats, [], &meta.members());
        follow_view(meta, &view, nodes).await;
        tell_roles(roles, meta, &view, left);
        self.known = view;
        true
    }
}
