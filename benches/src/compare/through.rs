//! [`Through`]: through which members of a cluster the clients of a row go.

use serde::Serialize;

use crate::load::connection::Endpoint;

/// A choice of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Through {
    /// All of them. The connections are distributed in turn.
    All,
    /// The leader.
    Leader,
    /// The follower with this number.
    Follower(usize),
}

impl Through {
    /// The chosen ones of the members' endpoints, of which the leader's is the first.
    pub(super) fn choose(self, leader_first: Vec<Endpoint>) -> Vec<Endpoint> {
        match self {
            Through::All => leader_first,
            Through::Leader => leader_first.into_iter().take(1).collect(),
            Through::Follower(at) => leader_first.into_iter().skip(1 + at).take(1).collect(),
        }
    }
}
