//! [`Removal`]: how long a member that was removed goes on.

use std::time::Duration;

use naxos_log_server::meta::MetaReplica;
use naxos_proto::chain::Chain;
use naxos_proto::ids::StorageId;
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::seams::Instant;

/// How long a removed member serves its storage unit to the others at most, if the chain still names it. In this time the
/// units of the other members get the cells that they missed.
const REMOVED_FOR: Duration = Duration::from_secs(15);
/// How long a removed member votes in the MetaStore at most, if its vote is still needed. Without it the other members may
/// have no majority to change the voters.
const VOTES_FOR: Duration = Duration::from_secs(60);

/// A node whose member was removed serves its unit and its replica until neither the chain nor the voters name it. It
/// waits no longer than [`REMOVED_FOR`] for the chain, and no longer than [`VOTES_FOR`] for the voters. Then it ends
/// (`docs/protocol.md`, cluster 17).
#[derive(Debug, Default)]
pub(in crate::node) struct Removal {
    /// When this node found that its member was removed.
    since: Option<Instant>,
}

impl Removal {
    /// To be called when the member was removed. Returns whether the data directory `own` is not needed any more.
    pub(in crate::node) fn is_over(&mut self, own: StorageId, now: Instant, chain: &Chain, meta: &MetaReplica) -> bool {
        let since = *self.since.get_or_insert_with(|| {
            tracing::warn!("the member has been permanently removed from the cluster; it ends when it is not needed");
            now
        });
        let gone_for = now.since(since);
        let serves = gone_for < REMOVED_FOR && names(chain, own);
        let votes = gone_for < VOTES_FOR && meta.may_need_vote_of(own);
        !serves && !votes
    }
}

/// Whether a segment of the chain has a unit on `storage`.
fn names(chain: &Chain, storage: StorageId) -> bool {
    let has_unit = |roles: LogletRoles| roles.units.contains(&storage);
    chain.segments.iter().any(|segment| LogletRoles::of(&segment.params).is_ok_and(has_unit))
}
