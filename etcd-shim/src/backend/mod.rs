//! What every service builds on, one for each node. Nothing in here knows of a service or of how a node starts.
//!
//! - [`Backend`]: proposes a command, reads at the log's tail, answers in etcd's words
//! - [`PendingRequests`], [`Deadlines`]: where the requests of one runtime wait, and for how long
//! - [`LeaseKeeper`]: the clock that says when leases end
//! - [`NodeListener`]: tells watches, leases and the janitor what was applied

#[expect(clippy::module_inception, reason = "one type per file, named after it")]
mod backend;
mod deadlines;
mod lease_keeper;
mod listener;
mod pending_requests;

pub(crate) use backend::Backend;
pub(crate) use deadlines::Deadlines;
pub(crate) use lease_keeper::{LeaseKeeper, TICK};
pub(crate) use listener::NodeListener;
pub(crate) use pending_requests::PendingRequests;
