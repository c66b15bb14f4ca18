//! [`DraftBatch`]: what one batch will write, publish and answer.

use std::collections::BTreeSet;

use naxos_proto::completion::ThreadLoad;
use naxos_proto::contracts::{LocalTail, Stored, UnitError};
use naxos_proto::ids::LogletId;

use crate::commit::command::Done;
use crate::journal::Draft;

/// An answer that waits for the sync.
pub(crate) enum Staged {
    Cells(Done<Stored>, Result<Stored, UnitError>),
    Tail(Done<LocalTail>, Result<LocalTail, UnitError>),
    Unit(Done<()>, Result<(), UnitError>),
}

fn end<T>(done: Done<T>, outcome: Result<T, UnitError>, failed: Option<&UnitError>, load: ThreadLoad) {
    match failed {
        // A refused command keeps its own error, because nothing was written for it.
        Some(error) if outcome.is_ok() => done.complete_on(Err(error.clone()), load),
        _ => done.complete_on(outcome, load),
    }
}

impl Staged {
    /// Sends the answer. `failed` is the error of the batch's write or sync, if that failed. It replaces every
    /// successful outcome. `load` is the load of the committer's thread.
    pub(crate) fn complete(self, failed: Option<&UnitError>, load: ThreadLoad) {
        match self {
            Staged::Cells(done, outcome) => end(done, outcome, failed, load),
            Staged::Tail(done, outcome) => end(done, outcome, failed, load),
            Staged::Unit(done, outcome) => end(done, outcome, failed, load),
        }
    }
}

/// A batch that is being put together.
#[derive(Default)]
pub(crate) struct DraftBatch {
    /// The records to write, in the order of their commands.
    pub(crate) drafts: Vec<Draft>,
    /// The answers to send, in the order of their commands.
    pub(crate) staged: Vec<Staged>,
    /// Loglets that were opened, or whose tail, seal or trim point may have changed.
    pub(crate) touched: BTreeSet<LogletId>,
    /// Whether the batch drops loglets or raises a floor.
    pub(crate) drops: bool,
}
