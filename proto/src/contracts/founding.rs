//! Founding: how the seats of a new cluster agree on their log. Single-decree Paxos over the listed seats (Lamport,
//! "Paxos Made Simple", 2001; `docs/protocol.md`, cluster 12).
//!
//! A candidate asks every listed seat for a promise. Then it asks the seats that gave one to accept its value, and
//! tells all seats what was decided. A seat that knows the decision, or that holds data, answers with
//! [`FoundingReply::Founded`], unless it refuses the request. The bytes of the messages are in `founding_codec`.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::ids::{ClusterId, LogId, MemberId, StorageId};

/// The largest number of seats that can found a cluster.
pub const FOUNDING_SEATS_MAX: usize = 64;

/// A seat, and the data directory that it founds the cluster with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Founder {
    /// The seat: etcd's member id.
    pub seat: MemberId,
    /// The id of the seat's data directory.
    pub storage: StorageId,
}

/// The number under which a candidate asks. The fields are compared in their order.
///
/// A seat with an empty disk begins to count rounds anew. The storage id makes sure that the seat does not use a ballot
/// again that it used with its earlier disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ballot {
    /// Counts from 1. A candidate uses each round once.
    pub round: u64,
    /// The candidate's seat.
    pub seat: MemberId,
    /// The candidate's data directory.
    pub storage: StorageId,
}

/// The value that the seats agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundingValue {
    /// The id of the new log. The candidate that proposed the value has drawn it.
    pub log: LogId,
    /// The seats that begin the log, ascending and each once. A founding names a majority of the listed seats or more,
    /// and a restore names all seats. If one seat began the log without asking others, it is the only founder.
    pub founders: Vec<Founder>,
}

impl FoundingValue {
    /// Whether this seat is a founder with this data directory.
    pub fn names(&self, founder: Founder) -> bool {
        self.founders.contains(&founder)
    }
}

/// What a candidate asks a seat to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundingStep {
    /// Promise to accept nothing under a lower ballot.
    Promise {
        /// The candidate's ballot.
        ballot: Ballot,
    },
    /// Accept a value.
    Accept {
        /// The candidate's ballot.
        ballot: Ballot,
        /// The data directory under which the seat has promised. A seat with another data directory refuses, because
        /// it does not remember the promise.
        storage: StorageId,
        /// The value.
        value: FoundingValue,
    },
    /// Remember what was decided.
    Learn {
        /// The value that a majority of the listed seats has accepted.
        value: FoundingValue,
    },
}

/// A message from a candidate to a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundingRequest {
    /// The cluster that the candidate founds: etcd's cluster id, which is computed from the token and the member list.
    pub cluster: ClusterId,
    /// The candidate.
    pub from: Founder,
    /// The seat that is asked.
    pub to: MemberId,
    /// What the seat is asked to do.
    pub step: FoundingStep,
}

/// A seat's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundingAnswer {
    /// The cluster that the answering seat belongs to.
    pub cluster: ClusterId,
    /// The seat that answers.
    pub from: Founder,
    /// Its reply.
    pub reply: FoundingReply,
}

/// What a seat replies. Everything that the reply promises is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundingReply {
    /// The seat has promised.
    Promised {
        /// The ballot of the promise.
        ballot: Ballot,
        /// The value that the seat accepted last, and the ballot under which it did.
        accepted: Option<(Ballot, FoundingValue)>,
    },
    /// The seat has accepted the value.
    Accepted {
        /// The ballot under which the seat has accepted it.
        ballot: Ballot,
    },
    /// Not done: the seat has promised to a higher ballot.
    Outbid {
        /// That ballot.
        promised: Ballot,
    },
    /// The seat knows the log of the cluster: it has learned the decision, or it holds data. This vetoes any other
    /// founding.
    Founded(FoundingValue),
    /// The seat does not take part, for this reason.
    Refused(FoundingRefusal),
}

/// Why a seat takes no part in a candidate's founding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoundingRefusal {
    /// The candidate founds another cluster.
    #[error(
        "the message is for cluster {asked:016x}, this seat belongs to cluster {own:016x}: \
         the two have different member lists or tokens. If cluster {own:016x} exists already, start the \
         member that sent the message with --initial-cluster-state existing",
        asked = .asked.0, own = .own.0
    )]
    OtherCluster {
        /// The cluster that the message names.
        asked: ClusterId,
        /// The cluster of the seat that answers.
        own: ClusterId,
    },
    /// The candidate is no member of the cluster.
    #[error("seat {seat:016x} is not in the member list of cluster {cluster:016x}", seat = .seat.0, cluster = .cluster.0)]
    NotListed {
        /// The candidate's seat.
        seat: MemberId,
        /// The cluster.
        cluster: ClusterId,
    },
    /// The message reached another seat than the one that it is for.
    #[error("the message is for seat {asked:016x}, this is seat {own:016x}: two members have the same address",
        asked = .asked.0, own = .own.0)]
    OtherSeat {
        /// The seat that the message is for.
        asked: MemberId,
        /// The seat that answers.
        own: MemberId,
    },
    /// The seat was asked to accept a value because of a promise that another data directory made.
    #[error(
        "the promise was made by the data directory {asked:016x}, this seat has the data directory {own:016x} now: \
         its disk was emptied or replaced",
        asked = .asked.0, own = .own.0
    )]
    OtherDisk {
        /// The data directory that promised.
        asked: StorageId,
        /// The data directory of the seat that answers.
        own: StorageId,
    },
    /// The message breaks a rule of the protocol.
    #[error("the message breaks a rule of the founding: {0}")]
    Rule(FoundingRuleBroken),
}

/// A rule that a message can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoundingRuleBroken {
    /// A candidate used the ballot of another candidate.
    #[error("a candidate asks under its own ballot")]
    ForeignBallot,
    /// The founders are not a majority of the listed seats, or one is not listed, or their order is wrong.
    #[error("the founders are a majority of the listed seats, in ascending order")]
    Founders,
    /// Two values were proposed under one ballot.
    #[error("a candidate proposes one value under one ballot")]
    TwoValues,
}

/// The seat did not answer. The request may or may not have been carried out, and it may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FoundingUnanswered(
    /// Why there is no answer, for a person to read.
    pub String,
);

/// A seat, as a candidate sees it.
/// # Cancel safety
/// If a future is dropped, the request may or may not have been carried out. Every request may be repeated.
pub trait Founding: Send + Sync {
    /// Asks the seat. Whatever the reply promises is durable. The caller sets the deadline.
    fn ask(&self, request: FoundingRequest) -> BoxFuture<'_, Result<FoundingAnswer, FoundingUnanswered>>;
}

/// Finds the listed seats.
pub trait FoundingDirectory: Send + Sync {
    /// The seat with that member id. `None` if its address is not known.
    fn seat(&self, seat: MemberId) -> Option<Arc<dyn Founding>>;
}
