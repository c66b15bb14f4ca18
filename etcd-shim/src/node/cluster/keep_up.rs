//! [`keep_up`]: what a log server or a sequencer does all the time, so that it knows the members of its cluster.

use std::sync::Arc;

use naxos_client::VirtualLog;
use naxos_log_server::Unit;
use naxos_proto::contracts::{ClusterView, JoinError};
use naxos_proto::ids::StorageId;
use naxos_proto::role::Role;
use naxos_proto::seams::Seams;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::follow_seats::{ASK_EVERY, Followers};
use super::join_desk::Asked;
use super::members_file::follow_members;
use super::removal::Removal;

/// What [`keep_up`] works with.
pub(in crate::node) struct KeepUp {
    /// This data directory.
    pub(in crate::node) storage: StorageId,
    pub(in crate::node) log: Arc<VirtualLog>,
    pub(in crate::node) unit: Arc<Unit>,
    /// Nodes that ask for the members or for a seat.
    pub(in crate::node) asked: mpsc::Receiver<Asked>,
    /// The view that is in the file `members`.
    pub(in crate::node) written: ClusterView,
    /// Cancelled when this member was removed from the cluster and is not needed any more.
    pub(in crate::node) removed: CancellationToken,
}

/// Asks the other members, every [`ASK_EVERY`], which data directory has which seat. Makes the rest of the process
/// follow the answers, and writes the members down for the next start. A node that asks this one for the members or for
/// a seat is told to ask another member. Never ends.
/// # Cancel safety
/// As [`Followers::look`].
pub(in crate::node) async fn keep_up(seams: &Seams, mut followers: Followers<'_>, mut work: KeepUp) {
    let mut removal = Removal::default();
    // A point in time, not a pause: the others may ask this node so often that a pause that began anew would never end.
    let mut next = seams.clock.now().after(ASK_EVERY);
    loop {
        tokio::select! {
            biased;
            Some(Asked { answer, .. }) = work.asked.recv() => {
                let command = Role::of(work.storage).command();
                let why =
                    format!("the member that was asked runs `{command}`, which replays no log: ask one that does");
                // The caller may be gone.
                let _ = answer.send(Err(JoinError::NotYet(why)));
                continue;
            }
            () = seams.clock.sleep_until(next) => {}
        }
        next = seams.clock.now().after(ASK_EVERY);
        let was_told = followers.look(seams).await;
        // Only what is written down protects the directory from an older program.
        if let Err(error) = work.unit.raise_cluster_version(followers.known.version).await {
            tracing::warn!(%error, "the cluster's version cannot be written down; trying again");
        }
        follow_members(&*seams.disk, &mut work.written, &followers.known).await;
        // A view without members is from a time when the members were not in the log yet. It does not say that this
        // member was removed.
        let members = &followers.known.members;
        let is_removed = !members.is_empty() && !members.contains_key(&followers.own);
        if was_told
            && is_removed
            && removal.is_over(work.storage, seams.clock.now(), &work.log.chain().1, followers.meta)
        {
            work.removed.cancel();
        }
    }
}
