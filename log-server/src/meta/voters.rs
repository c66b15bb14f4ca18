//! Changes of the replicas that vote.

use std::collections::BTreeSet;
use std::time::Duration;

use naxos_proto::ids::StorageId;
use openraft::EmptyNode;

use crate::meta::MetaReplica;

/// How long one step of a change may take.
const STEP_MAX: Duration = Duration::from_secs(3);
/// A new voter may lack this many of the newest entries when it begins to vote.
const LACKS_MAX: u64 = 8;

impl MetaReplica {
    /// The replicas that vote, as far as this replica knows; empty while a change of them is on its way.
    pub fn voters(&self) -> BTreeSet<StorageId> {
        let metrics = self.raft.metrics();
        let membership = metrics.borrow().membership_config.membership().clone();
        match membership.get_joint_config().as_slice() {
            [voters] => voters.iter().copied().map(StorageId).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// If this replica leads, makes the next step towards `wanted` as the voters: a new one learns first, and votes when it
    /// has what the others have. Returns whether they are the voters now. It has to be repeated, on any replica, until they
    /// are.
    /// # Cancel safety
    /// If the call is dropped halfway, the step may be made or not.
    pub async fn set_voters(&self, wanted: &BTreeSet<StorageId>) -> Result<bool, String> {
        let now = self.voters();
        if now == *wanted {
            return Ok(true);
        }
        if self.leader() != Some(self.storage) || wanted.is_empty() {
            return Ok(false);
        }
        let step = async {
            for new in wanted.difference(&now) {
                if !self.is_learner(*new) {
                    self.raft.add_learner(new.0, EmptyNode {}, false).await.map_err(|e| e.to_string())?;
                }
                if !self.has_learnt(*new) {
                    return Ok(false);
                }
            }
            let voters: BTreeSet<u64> = wanted.iter().map(|storage| storage.0).collect();
            self.raft.change_membership(voters, false).await.map_err(|e| e.to_string()).map(|_| true)
        };
        tokio::select! {
            biased;
            stepped = step => stepped,
            () = self.clock.sleep(STEP_MAX) => Err(format!("no answer within {} s", STEP_MAX.as_secs())),
        }
    }

    fn is_learner(&self, storage: StorageId) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        metrics.membership_config.membership().learner_ids().any(|learner| learner == storage.0)
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
