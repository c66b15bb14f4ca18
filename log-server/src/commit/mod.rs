//! The committer: the one writer of the journal.
//!
//! Calls push [`Command`]s on the [`Queue`]. The [`Committer`], a Worker of its own, takes everything that is queued,
//! asks the pure rules, writes one batch and syncs once. Then it publishes what is durable and completes all commands
//! in order, on its own thread. Invariants: nothing is visible to readers before it is durable; queued commands are
//! completed in the order of the calls; after a failed write or sync nothing is ever written again.

mod command;
mod committer;
mod decide;
mod draft_batch;
mod pacing;
mod publish;
mod queue;
mod rooms;
mod verdicts;

pub(crate) use command::{Command, raft_change_bytes, store_cost};
pub(crate) use committer::Committer;
pub(crate) use pacing::Pacing;
pub(crate) use queue::Queue;
pub(crate) use rooms::Rooms;
