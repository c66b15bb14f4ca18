//! The contracts between the nodes of one cluster, over gRPC. For each contract there is a *stub*, which implements the
//! contract over a connection, and a *service*, which serves an implementation to peers.
//!
//! - [`Home`]: this node; [`PeerLink`]: the connection to a peer; [`Connector`]: makes it, with TLS or without
//! - [`RemoteUnit`], [`UnitService`]: the storage unit; [`RemoteSequencer`], [`SequencerService`]: the sequencer;
//!   [`RemoteReplica`], [`MetaService`]: requests between replicas of the MetaStore
//! - [`RemoteHeartbeat`], [`HeartbeatService`]: heartbeats; [`RemoteLeaseKeeper`], [`LeaseKeeperService`]: calls about
//!   leases
//! - [`RemoteSnapshots`], [`SnapshotsService`]: files with the state at a position, for nodes that are too far behind
//! - [`RemoteChecksums`], [`ChecksumsService`]: what replicas ask each other to find one whose state differs
//! - [`RemoteFounding`], [`FoundingService`]: a seat of a cluster that is being founded
//! - [`RemoteJoining`], [`JoiningService`]: gives the seat of a member to a new data directory
//! - [`serve`]: serves peers on the connections that a listener accepts
//! - [`ChainNews`]: the versions of the chain that nodes tell each other with every call
//! - [`SyncedNews`]: the number of durable batches of a node's journal, which the node tells in its answers
//! - `envelope`: the headers that name the calling node and the called node; [`Gate`]: refuses calls that are meant for
//!   another node
//! - `lane`: the caller's end of a long stream of calls in order; `outbox`: the server's end of that stream
//! - `wire`: types of the contracts as messages; [`generated`]: the messages of `proto/naxos/peer.proto`
//! - [`limits`]: all bounds and deadlines
//!
//! Invariants: a call that may have reached the peer and has no answer ends as unknown, never as not done; every
//! call ends, at the latest at its deadline; a message that is broken changes nothing.

mod backoff;
mod chain_news;
mod checksums;
mod connector;
mod envelope;
mod failure;
mod founding;
mod gate;
pub mod generated;
mod heartbeat;
mod home;
mod joining;
mod lane;
mod leases;
pub mod limits;
mod link;
mod meta;
mod outbox;
mod sequencer;
mod serve;
mod snapshots;
mod synced_news;
mod unit;
mod watched;
mod wire;

pub use chain_news::ChainNews;
pub use checksums::{ChecksumsService, RemoteChecksums};
pub use connector::{Connector, PlainConnector};
pub use failure::Failure;
pub use founding::{FoundingService, RemoteFounding};
pub use gate::Gate;
pub use heartbeat::{HeartbeatService, RemoteHeartbeat};
pub use home::Home;
pub use joining::{JoiningService, RemoteJoining};
pub use leases::{LeaseKeeperService, RemoteLeaseKeeper};
pub use link::PeerLink;
pub use meta::{MetaService, RemoteReplica, Replica};
pub use sequencer::{RemoteSequencer, SequencerService};
pub use serve::{accepted, serve};
pub use snapshots::{RemoteSnapshots, SnapshotsService};
pub use synced_news::SyncedNews;
pub use unit::{RemoteUnit, UnitService};
