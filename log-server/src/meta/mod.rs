//! The MetaStore replica: one versioned register on openraft, the only place of consensus (Delos, OSDI'20, section
//! 3.2).
//!
//! - [`MetaReplica`]: the replica, a [`MetaStore`](naxos_proto::contracts::MetaStore); runs on the Worker `meta`
//! - `log_store`: keeps openraft's log and vote as raft records in the unit's journal, and the entries in memory too
//! - `codec`: encodes and decodes raft records and messages
//! - `raft_writer`: writes those records; on a full disk it waits for room, because an error would stop openraft for
//!   good
//! - `register`: the state machine; rebuilt at start from the last snapshot in the journal and the entries after it
//! - `snapshot_mark`: tells the log which of its entries a durable snapshot covers, because only these may be purged
//! - [`MetaPeers`]: how a replica reaches the others; requests are opaque bytes. `RemotePeers` sends them to other nodes
//!   (feature `peer`)
//! - `relay`: reads and puts through a replica that reaches the leader
//! - `replica_slot`: where other nodes find the replica, once it has started (feature `peer`)
//!
//! Invariants: a vote or entry is reported to openraft as written only when it is durable; the register changes only by
//! committed entries; the leader answers a read only after a quorum confirmed that it still leads.

mod codec;
mod config;
mod found_register;
mod found_value;
mod log_store;
mod peers;
mod raft_writer;
mod register;
mod relay;
#[cfg(feature = "peer")]
mod remote_peers;
mod replica;
#[cfg(feature = "peer")]
mod replica_slot;
mod request;
mod seeded_runtime;
mod snapshot_mark;
mod types;
mod voters;

pub use config::MetaConfig;
pub use found_register::FoundRegister;
pub use found_value::{found_register, found_value};
pub use peers::{MetaPeers, NoPeers, PeerError};
#[cfg(feature = "peer")]
pub use remote_peers::RemotePeers;
pub use replica::MetaReplica;
#[cfg(feature = "peer")]
pub use replica_slot::ReplicaSlot;
