//! Which members vote in the MetaStore, and what follows from that for the log.

use std::collections::{BTreeMap, BTreeSet};

use naxos_client::failure::{NodeState, Roles};
use naxos_log_server::meta::MetaReplica;
use naxos_proto::contracts::ClusterView;
use naxos_proto::ids::StorageId;
use naxos_proto::role::Role;
use tokio::sync::watch;

use super::tell::tell;
use crate::backend::META_VOTERS_MAX;

/// The data directories of members that have a vote in etcd's sense: all but the learners.
pub(in crate::node) fn voting(view: &ClusterView) -> BTreeSet<StorageId> {
    let is_learner = |member| view.members.get(member).is_some_and(|member| member.is_learner);
    view.seats.iter().filter(|(member, _)| !is_learner(member)).map(|(_, storage)| *storage).collect()
}

/// Those of [`voting`] whose replicas of the MetaStore may vote: they have storage units.
pub(in crate::node) fn meta_voting(view: &ClusterView) -> BTreeSet<StorageId> {
    voting(view).into_iter().filter(|storage| Role::of(*storage).has_unit()).collect()
}

/// How many servers must have made a state durable before the log below it is trimmed: a majority of the voting members that
/// replay the log.
pub(in crate::node) fn servers_min(view: &ClusterView) -> usize {
    voting(view).into_iter().filter(|storage| Role::of(*storage).has_state()).count() / 2 + 1
}

/// The replicas of the MetaStore that should vote, if `now` vote and `voting` may vote: all of `voting`, up to
/// [`META_VOTERS_MAX`]. The replicas that vote now come first, and among them those that are `alive`.
///
/// With two members one of them votes: the one that was there first. So the second one may be lost without harm
/// (`docs/protocol.md`, cluster 16). Two members that founded the cluster together both vote.
fn wanted_voters(
    now: &BTreeSet<StorageId>,
    voting: &BTreeSet<StorageId>,
    alive: impl Fn(StorageId) -> bool,
) -> BTreeSet<StorageId> {
    let keeps_one = voting.len() == 2 && now.len() == 1 && now.is_subset(voting);
    if keeps_one {
        return now.clone();
    }
    let mut wanted: Vec<StorageId> = voting.iter().copied().collect();
    wanted.sort_by_key(|storage| (!now.contains(storage), !alive(*storage)));
    wanted.into_iter().take(META_VOTERS_MAX).collect()
}

/// If this node leads the MetaStore, makes the next step towards the replicas that fit `view`: the data directories that have
/// the seats vote, or learn from those that vote.
pub(super) async fn follow_view(
    meta: &MetaReplica,
    view: &ClusterView,
    nodes: &watch::Receiver<BTreeMap<StorageId, NodeState>>,
) {
    let alive = |storage| nodes.borrow().get(&storage).is_some_and(|state| state.alive().is_some());
    let voters = wanted_voters(&meta.voters(), &meta_voting(view), alive);
    let learners: BTreeSet<StorageId> = view.seats.values().filter(|one| !voters.contains(one)).copied().collect();
    if let Err(error) = meta.set_members(&voters, &learners).await {
        tracing::info!(error, "the voters of the metadata store are not changed yet; trying again");
    }
}

/// Tells the driver what the seats of `view` and the present voters allow. `left` are the data directories that lost their
/// seats. While a change of the voters is on its way, the roles stay those from before.
pub(super) fn tell_roles(
    to: &watch::Sender<Roles>,
    meta: &MetaReplica,
    view: &ClusterView,
    left: impl IntoIterator<Item = StorageId>,
) {
    let now = meta.voters();
    if !now.is_empty() {
        tell(to, roles(view, &now, left));
    }
}

/// What the nodes may do while `voters` vote. `voters` is empty as long as this node does not know the voters; then
/// all members but the learners count as voters. When a cluster begins, all its founders are voters for a moment.
/// Founders without a storage unit do not count for the number of units.
pub(in crate::node) fn roles(
    view: &ClusterView,
    voters: &BTreeSet<StorageId>,
    lost: impl IntoIterator<Item = StorageId>,
) -> Roles {
    let voting = voting(view);
    let voters = if voters.is_empty() { &voting } else { voters };
    let learners = view.seats.values().filter(|storage| !voting.contains(storage)).copied().collect();
    let sole_voter = voters.first().copied().filter(|one| voters.len() == 1 && Role::of(*one).has_sequencer());
    let with_units = voters.iter().filter(|storage| Role::of(**storage).has_unit()).count();
    Roles { units_min: with_units / 2 + 1, sole_voter, learners, left: lost.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use naxos_proto::contracts::ListedMember;
    use naxos_proto::ids::MemberId;

    use super::*;

    fn ids(ids: &[u64]) -> BTreeSet<StorageId> {
        ids.iter().copied().map(StorageId).collect()
    }

    /// Every node is alive.
    fn all(_: StorageId) -> bool {
        true
    }

    #[test]
    fn cluster_16_the_second_member_gets_no_vote_and_the_third_gives_one_to_all() {
        assert_eq!(wanted_voters(&ids(&[1]), &ids(&[1]), all), ids(&[1]));
        assert_eq!(wanted_voters(&ids(&[1]), &ids(&[1, 2]), all), ids(&[1]));
        assert_eq!(wanted_voters(&ids(&[1]), &ids(&[1, 2, 3]), all), ids(&[1, 2, 3]));
        assert_eq!(wanted_voters(&ids(&[1, 2]), &ids(&[1, 2]), all), ids(&[1, 2]), "both have founded the cluster");
        assert_eq!(wanted_voters(&ids(&[1, 2, 3]), &ids(&[1, 2]), all), ids(&[1, 2]));
        assert_eq!(wanted_voters(&ids(&[1]), &ids(&[2, 3]), all), ids(&[2, 3]), "the only voter was removed");
        assert_eq!(wanted_voters(&ids(&[]), &ids(&[1, 2]), all), ids(&[1, 2]));
    }

    #[test]
    fn at_most_five_vote_and_those_that_vote_already_go_on() {
        assert_eq!(wanted_voters(&ids(&[2, 3, 4]), &ids(&[1, 2, 3, 4]), all), ids(&[1, 2, 3, 4]));
        assert_eq!(wanted_voters(&ids(&[3, 4, 5, 6, 7]), &ids(&[1, 2, 3, 4, 5, 6, 7]), all), ids(&[3, 4, 5, 6, 7]));
        assert_eq!(wanted_voters(&ids(&[3, 4, 5, 6, 7]), &ids(&[1, 2, 3, 4, 5, 6]), all), ids(&[1, 3, 4, 5, 6]));
        assert_eq!(wanted_voters(&ids(&[1]), &ids(&[]), all), ids(&[]));
    }

    #[test]
    fn if_fewer_may_vote_those_that_are_alive_stay() {
        let seven = ids(&[1, 2, 3, 4, 5, 6, 7]);
        let alive = |storage: StorageId| storage.0 > 3;
        assert_eq!(wanted_voters(&seven, &seven, alive), ids(&[1, 4, 5, 6, 7]));
        let five = ids(&[1, 2, 3, 4, 5]);
        assert_eq!(wanted_voters(&five, &ids(&[1, 2, 3, 4, 5, 6]), alive), five, "silence moves no vote");
    }

    #[test]
    fn a_learner_follows_and_the_only_voter_is_named() {
        let member = |is_learner| ListedMember { is_learner, ..ListedMember::default() };
        let view = ClusterView {
            seats: [(1, 11), (2, 12), (3, 13)].map(|(member, storage)| (MemberId(member), StorageId(storage))).into(),
            members: [(1, false), (2, true), (3, false)].map(|(id, learner)| (MemberId(id), member(learner))).into(),
            ..ClusterView::default()
        };
        let now = roles(&view, &ids(&[11]), [StorageId(9)]);
        let expected = Roles { units_min: 1, sole_voter: Some(StorageId(11)), learners: ids(&[12]), left: ids(&[9]) };
        assert_eq!(now, expected);
        let unknown = roles(&view, &ids(&[]), []);
        assert_eq!((unknown.units_min, unknown.sole_voter), (2, None));
    }
}
