//! [`follow_seats`]: a node that starts learns of new data directories from the others.
//!
//! A node learns who sits where from the log. While it starts it may not be able to read the log without a storage unit that
//! got its seat only now. So until the reconciler runs, it asks the others.

use std::time::Duration;

use futures::future::join_all;
use naxos_proto::contracts::{ClusterView, Joining};
use naxos_proto::ids::MemberId;
use naxos_proto::seams::Seams;

use super::Peers;
use super::join::others;

/// The time between two rounds of questions, and the longest time for an answer.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Asks the other members again and again who sits where, and makes links to the data directories that this node does not
/// know yet. Never ends.
/// # Cancel safety
/// Cancel safe.
pub(in crate::node) async fn follow_seats(seams: &Seams, peers: &Peers, own: MemberId, mut known: ClusterView) {
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
        let newest = ClusterView::newest(answers.await.into_iter().flatten());
        if let Some(view) = newest.filter(|view| view.at > known.at && view.log == known.log) {
            if view.seats != known.seats {
                tracing::info!(at = view.at.0, "the other members know of new data directories");
                peers.book().set_all(&view);
                peers.follow(&view.seats, []);
            }
            known = view;
        }
    }
}
