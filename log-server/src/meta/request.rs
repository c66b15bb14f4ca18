//! [`Request`]: a request from one replica to another. Requests and answers are CBOR.

use openraft::raft::{AppendEntriesRequest, InstallSnapshotRequest, VoteRequest};
use serde::{Deserialize, Serialize};

use crate::meta::types::{Put, TypeConfig};

/// A request to another replica. `Append`, `Vote` and `Snapshot` are answered with openraft's own `Result`, `Get` and
/// `RelayGet` with a `Result<Value, CallError>`, and `Put` and `RelayPut` with a `Result<Answer, CallError>`.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<u64>),
    Snapshot(InstallSnapshotRequest<TypeConfig>),
    /// A read. Only the leader may answer it.
    Get,
    /// A put. Only the leader may carry it out.
    Put(Put),
    /// As `Get`, but a replica that does not lead asks the leader, because the caller may be unable to reach it.
    RelayGet,
    /// As `Put`, but a replica that does not lead asks the leader.
    RelayPut(Put),
}

/// Why a replica has no result of a read or a put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CallError {
    /// The replica does not lead. The leader's id, if the replica knows it.
    NotLeader(Option<u64>),
    /// The call was not carried out.
    Unavailable(String),
    /// The call may or may not have been carried out.
    Unknown(String),
}

/// Whether the entries of `rpc` follow the entry that it names, and each other, without a gap. openraft checks this only
/// in builds with debug assertions. In other builds it would put the entries into the log, with the gap.
pub(crate) fn is_without_gap(rpc: &AppendEntriesRequest<TypeConfig>) -> bool {
    let first = rpc.prev_log_id.map_or(0, |prev| prev.index + 1);
    (first..).zip(&rpc.entries).all(|(index, entry)| entry.log_id.index == index)
}

#[cfg(test)]
mod tests {
    use openraft::{CommittedLeaderId, EntryPayload, LogId};

    use super::*;
    use crate::meta::types::{Entry, Vote};

    #[test]
    fn entries_with_a_gap_before_or_between_them_are_found() {
        let id = |index| LogId::new(CommittedLeaderId::new(1, 1), index);
        let check = |prev: Option<u64>, entries: &[u64]| {
            is_without_gap(&AppendEntriesRequest {
                vote: Vote::new(1, 1),
                prev_log_id: prev.map(id),
                entries: entries.iter().map(|at| Entry { log_id: id(*at), payload: EntryPayload::Blank }).collect(),
                leader_commit: None,
            })
        };
        assert!(check(None, &[]) && check(None, &[0, 1]) && check(Some(3), &[]) && check(Some(3), &[4, 5]));
        assert!(!check(None, &[1]) && !check(Some(3), &[12, 13]) && !check(Some(3), &[4, 6]));
    }
}
