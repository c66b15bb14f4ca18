//! [`DraftBatch`]: what one batch will write, publish and answer.

use std::collections::BTreeSet;

use naxos_proto::contracts::{CellOutcome, LocalTail, Stored, UnitError};
use naxos_proto::ids::LogletId;

use crate::commit::command::Done;
use crate::journal::Draft;

/// An answer that waits for the sync.
pub(crate) enum Staged {
    Cells(Done<Stored>, Result<Stored, UnitError>),
    Cell(Done<CellOutcome>, Result<CellOutcome, UnitError>),
    Tail(Done<LocalTail>, Result<LocalTail, UnitError>),
    Unit(Done<()>, Result<(), UnitError>),
}

fn end<T: Send + 'static>(done: Done<T>, outcome: Result<T, UnitError>, failed: Option<&UnitError>) {
    match failed {
        // A refusal stays one: nothing was written for it.
        Some(error) if outcome.is_ok() => done.complete(Err(error.clone())),
        _ => done.complete(outcome),
    }
}

impl Staged {
    /// Answers; `failed` takes the place of every outcome that waited for the sync.
    pub(crate) fn complete(self, failed: Option<&UnitError>) {
        match self {
            Staged::Cells(done, outcome) => end(done, outcome, failed),
            Staged::Cell(done, outcome) => end(done, outcome, failed),
            Staged::Tail(done, outcome) => end(done, outcome, failed),
            Staged::Unit(done, outcome) => end(done, outcome, failed),
        }
    }
}

/// One batch in the making.
#[derive(Default)]
pub(crate) struct DraftBatch {
    /// What to write, in order.
    pub(crate) drafts: Vec<Draft>,
    /// What to answer, in order.
    pub(crate) staged: Vec<Staged>,
    /// Loglets whose tail, seal or trim point may have changed.
    pub(crate) touched: BTreeSet<LogletId>,
    /// Whether a tombstone or floor was set.
    pub(crate) drops: bool,
}
