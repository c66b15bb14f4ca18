//! Changes of the replicas that vote, and of those that only learn.

use std::collections::BTreeSet;
use std::time::Duration;

use naxos_proto::ids::StorageId;
use openraft::{ChangeMembers, EmptyNode, Membership};

use crate::meta::MetaReplica;

/// How long one step of a change may take.
const STEP_MAX: Duration = Duration::from_secs(3);
/// A new voter may lack this many of the newest entries when it begins to vote.
const LACKS_MAX: u64 = 8;

impl MetaReplica {
    /// The replicas that vote, as far as this replica knows; empty while a change of them is on its way.
    pub fn voters(&self) -> BTreeSet<StorageId> {
        match self.membership().get_joint_config().as_slice() {
            [voters] => voters.iter().copied().map(StorageId).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Whether the vote of `storage` may still be needed, as far as this replica knows. While the voters are being
    /// changed, a majority of the old voters has to agree, too.
    pub fn may_need_vote_of(&self, storage: StorageId) -> bool {
        self.membership().get_joint_config().iter().any(|voters| voters.contains(&storage.0))
    }

    /// All replicas, as far as this replica knows: those that vote and those that learn. While the voters are being
    /// changed, these are the old and the new voters and the learners.
    pub fn members(&self) -> BTreeSet<StorageId> {
        self.membership().nodes().map(|(storage, _)| StorageId(*storage)).collect()
    }

    /// If this replica leads, makes the next step towards `voters` as the replicas that vote and `learners` as those
    /// that only learn. A new voter is a learner first, and votes when it has nearly all entries. Returns whether
    /// exactly `voters` voted already before this step. All replicas have to repeat the call, because only the one that
    /// leads makes a step.
    /// # Cancel safety
    /// If the call is dropped halfway, the step may be made or not.
    pub async fn set_members(
        &self,
        voters: &BTreeSet<StorageId>,
        learners: &BTreeSet<StorageId>,
    ) -> Result<bool, String> {
        let (now, learn) = (self.voters(), self.learners());
        let is_learned = learn.is_superset(learners) && learn.is_subset(&voters.union(learners).copied().collect());
        if now == *voters && is_learned {
            return Ok(true);
        }
        if self.leader() != Some(self.storage) || voters.is_empty() {
            return Ok(now == *voters);
        }
        let step = async {
            for new in voters.union(learners).filter(|new| !now.contains(new) && !learn.contains(new)) {
                self.raft.add_learner(new.0, EmptyNode {}, false).await.map_err(|e| e.to_string())?;
            }
            if now != *voters {
                // A change counts as soon as the leader has written it down, and a majority of the new voters has to
                // commit it, too. Without such a majority not even a change back would succeed.
                let ready = voters.iter().filter(|voter| **voter == self.storage || self.has_learnt(**voter)).count();
                let has_learnt = voters.difference(&now).all(|new| self.has_learnt(*new));
                if !has_learnt || ready <= voters.len() / 2 {
                    return Ok(false);
                }
                let voters: BTreeSet<u64> = voters.iter().map(|storage| storage.0).collect();
                // A voter that has to stop voting becomes a learner, so that it hears of this change. Otherwise it
                // would ask for votes again and again.
                self.raft.change_membership(voters, true).await.map_err(|e| e.to_string())?;
                // If it is not to stay as a learner, a later step removes it. By then it knows, and its node may end.
                return Ok(false);
            }
            let gone = self.learners().into_iter().filter(|one| !learners.contains(one) && !voters.contains(one));
            let gone: BTreeSet<u64> = gone.map(|storage| storage.0).collect();
            if !gone.is_empty() {
                let removed = self.raft.change_membership(ChangeMembers::RemoveNodes(gone), false).await;
                removed.map_err(|e| e.to_string())?;
            }
            Ok(true)
        };
        tokio::select! {
            biased;
            stepped = step => stepped,
            () = self.clock.sleep(STEP_MAX) => Err(format!("no answer within {} s", STEP_MAX.as_secs())),
        }
    }

    /// Lets another voter lead. This replica sends no heartbeats until the others have elected one of themselves, or
    /// until [`STEP_MAX`] is over. Returns false if no other replica leads by then. If this replica does not lead,
    /// returns true at once.
    /// # Cancel safety
    /// If the call is dropped halfway, this replica may send no heartbeats as leader until another call, made while it
    /// leads, has ended.
    pub async fn yield_leadership(&self) -> bool {
        if self.leader() != Some(self.storage) {
            return true;
        }
        tracing::info!("this replica lets another one lead the metadata store");
        self.raft.runtime_config().heartbeat(false);
        let has_yielded = tokio::select! {
            biased;
            () = self.other_leader(Some(self.storage.0)) => true,
            () = self.clock.sleep(STEP_MAX) => false,
        };
        self.raft.runtime_config().heartbeat(true);
        has_yielded
    }

    /// The replicas and their votes, as far as this replica knows.
    fn membership(&self) -> Membership<u64, EmptyNode> {
        self.raft.metrics().borrow().membership_config.membership().clone()
    }

    /// The replicas that learn and do not vote, as far as this replica knows.
    fn learners(&self) -> BTreeSet<StorageId> {
        self.membership().learner_ids().map(StorageId).collect()
    }

    /// Whether the replica has nearly all entries, as far as this leader knows.
    fn has_learnt(&self, storage: StorageId) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let matched =
            metrics.replication.as_ref().and_then(|replication| replication.get(&storage.0).copied().flatten());
        let last = metrics.last_log_index.unwrap_or(0);
        matched.is_some_and(|matched| matched.index + LACKS_MAX >= last)
    }
}
