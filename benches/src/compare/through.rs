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
    /// One follower. The number counts from 0.
    Follower(usize),
}

impl Through {
    /// The endpoints of the chosen members. In `leader_first`, the leader's endpoint comes first.
    pub(super) fn choose(self, leader_first: Vec<Endpoint>) -> Vec<Endpoint> {
        match self {
            Through::All => leader_first,
            Through::Leader => leader_first.into_iter().take(1).collect(),
            Through::Follower(at) => leader_first.into_iter().skip(1 + at).take(1).collect(),
        }
    }
}
