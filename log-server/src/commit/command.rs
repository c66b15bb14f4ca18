//! [`Command`]: one call that changes a unit, and its completion.

use naxos_proto::completion::Completion;
use naxos_proto::contracts::{LocalTail, Purpose, Store, Stored, UnitError, UnitParams};
use naxos_proto::ids::{Incarnation, LogId, LogletId, Offset};

use crate::journal::RECORD_OVERHEAD_BYTES;
use crate::unit::RaftChange;

/// The completion of a call that answers `T`.
pub(crate) type Done<T> = Completion<Result<T, UnitError>>;

/// A call that changes a unit.
pub(crate) enum Command {
    Store(Store, Done<Stored>),
    Fill(LogletId, Incarnation, Offset, Purpose, Done<Stored>),
    Open(LogletId, UnitParams, Done<()>),
    Seal(LogletId, Done<LocalTail>),
    Trim(LogletId, Offset, Done<()>),
    Drop(LogletId, Done<()>),
    Floor(LogId, u64, Done<()>),
    Raft(Vec<RaftChange>, Done<()>),
}

/// What a command costs. The bounds of the queue and the estimate of a batch's length add up these costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Number of client commands. It is at least one, even for a call that carries none.
    pub(crate) commands: u64,
    /// An upper bound of its bytes on disk, without the batch's own header.
    pub(crate) bytes: u64,
}

/// The cost of `records` records with `body_bytes` bytes of bodies.
fn cost(commands: u64, records: usize, body_bytes: usize) -> Cost {
    Cost { commands: commands.max(1), bytes: (records * RECORD_OVERHEAD_BYTES + body_bytes) as u64 }
}

/// The cost of a store.
pub(crate) fn store_cost(store: &Store) -> Cost {
    let commands = store.cells.iter().map(|c| u64::from(c.commands)).sum();
    cost(commands, store.cells.len(), store.cells.iter().map(|c| c.payload.len()).sum())
}

/// An upper bound of what a change of the raft log takes on disk.
pub(crate) fn raft_change_bytes(change: &RaftChange) -> u64 {
    let body = match change {
        RaftChange::Vote(b) | RaftChange::Entry(_, b) | RaftChange::Purge(_, b) | RaftChange::Snapshot(b) => b.len(),
        RaftChange::Truncate(_) => 0,
    };
    (RECORD_OVERHEAD_BYTES + body) as u64
}

impl Command {
    pub(crate) fn cost(&self) -> Cost {
        match self {
            Command::Store(store, _) => store_cost(store),
            Command::Raft(changes, _) => Cost { commands: 1, bytes: changes.iter().map(raft_change_bytes).sum() },
            _ => cost(1, 1, 1),
        }
    }

    /// Whether it changes metadata. Metadata is still accepted when stores are refused because the disk is short of
    /// room.
    pub(crate) fn is_metadata(&self) -> bool {
        !matches!(self, Command::Store(..) | Command::Fill(..))
    }

    /// Whether it belongs to the MetaStore's raft log. When room runs out, such commands are refused last.
    pub(crate) fn is_raft(&self) -> bool {
        matches!(self, Command::Raft(..))
    }

    /// Answers the command with `error`. Nothing was done for it.
    pub(crate) fn refuse(self, error: UnitError) {
        match self {
            Command::Store(_, done) | Command::Fill(.., done) => done.complete(Err(error)),
            Command::Seal(_, done) => done.complete(Err(error)),
            Command::Open(_, _, done) | Command::Trim(_, _, done) | Command::Floor(_, _, done) => {
                done.complete(Err(error));
            }
            Command::Drop(_, done) => done.complete(Err(error)),
            Command::Raft(_, done) => done.complete(Err(error)),
        }
    }
}
