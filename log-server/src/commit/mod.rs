//! The committer: the one writer of the journal.
//!
//! Calls push [`Command`]s on the [`Queue`]. The [`Committer`], a Worker of its own, takes as many of them as fit one
//! batch. It asks the rules in [`crate::unit`] what each command does, writes the batch and syncs once. Then it
//! publishes what is durable and completes the commands of the batch in order, on its own thread. Invariants: nothing
//! is visible to readers before it is durable; queued commands are completed in the order of the calls; after a failed
//! write or sync this process writes nothing more.

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
