//! The parts that every service uses. Nothing in here depends on a service or on how a node starts. A node has one
//! [`PendingRequests`] and one [`Deadlines`] for each RPC runtime, and more for its own work. It has one of every other
//! part.
//!
//! - [`Backend`]: proposes commands, reads at the log's tail, answers with etcd's errors
//! - [`cause`]: what has happened to a proposal, from the answer that its client gets
//! - [`PendingRequests`], [`Deadlines`]: where the requests of one runtime wait, and for how long
//! - [`LeaseKeeper`]: decides when leases end; [`LeaseDesk`]: answers other nodes if the keeper is on this node
//! - [`Leadership`]: ends the calls that want a leader when there is none
//! - [`Fence`]: a member whose state differs from that of the others serves nothing
//! - [`Roster`]: the members of the cluster and their data directories
//! - [`NodeListener`]: tells the watches, the lease keeper and the janitor what was applied

#[expect(clippy::module_inception, reason = "one type per file, named after it")]
mod backend;
mod cause;
mod check_state;
mod deadlines;
mod fence;
mod leadership;
mod lease_desk;
mod lease_keeper;
mod listener;
mod log_tail;
mod pending_requests;
mod roster;

pub(crate) use backend::Backend;
pub(crate) use cause::cause;
pub(crate) use deadlines::Deadlines;
pub(crate) use fence::{Fence, FirstRevision};
pub(crate) use leadership::Leadership;
pub(crate) use lease_desk::{LeaseDesk, LeaseDeskSlot};
pub(crate) use lease_keeper::{LeaseKeeper, TICK};
pub(crate) use listener::NodeListener;
pub(crate) use pending_requests::PendingRequests;
pub(crate) use roster::{LeaseKeepers, META_VOTERS_MAX, Roster};
