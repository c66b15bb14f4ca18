//! Encodes a [`Change`] as a record, and decodes it.

use bytes::Bytes;
use naxos_proto::contracts::{Shape, UnitParams};
use naxos_proto::ids::{Incarnation, LogletId, Offset};

use crate::journal::record::{Draft, Kind};
use crate::unit::{Change, RaftChange};

/// The byte that stands for a loglet's shape in records and preambles.
pub(crate) fn shape_code(shape: Shape) -> u8 {
    match shape {
        Shape::Contiguous => 1,
        Shape::Sparse => 2,
    }
}

/// The shape that the byte `code` stands for.
pub(crate) fn shape_of(code: u8) -> Option<Shape> {
    match code {
        1 => Some(Shape::Contiguous),
        2 => Some(Shape::Sparse),
        _ => None,
    }
}

/// The record that encodes `change`.
pub(crate) fn change_draft(change: &Change) -> Draft {
    let of = |kind, loglet: LogletId| Draft { loglet, ..Draft::new(kind, Bytes::new()) };
    match change {
        Change::Open(id, params) => Draft {
            incarnation: params.incarnation,
            body: Bytes::copy_from_slice(&[shape_code(params.shape)]),
            ..of(Kind::Open, *id)
        },
        Change::Seal(id) => of(Kind::Seal, *id),
        Change::Trim(id, up_to) => Draft { offset: *up_to, ..of(Kind::Trim, *id) },
        Change::Drop(id) => of(Kind::Drop, *id),
        Change::Floor(log, ordinal) => of(Kind::Floor, LogletId { log: *log, ordinal: *ordinal, nonce: 0 }),
        Change::Boot(boot) => Draft {
            incarnation: Incarnation { boot: *boot, ..Incarnation::default() },
            ..Draft::new(Kind::Boot, Bytes::new())
        },
        Change::Raft(change) => raft_draft(change),
    }
}

fn raft_draft(change: &RaftChange) -> Draft {
    let at = |kind, index, body: &Bytes| Draft { offset: Offset(index), ..Draft::new(kind, body.clone()) };
    match change {
        RaftChange::Vote(vote) => at(Kind::RaftVote, 0, vote),
        RaftChange::Entry(index, bytes) => at(Kind::RaftEntry, *index, bytes),
        RaftChange::Truncate(from) => at(Kind::RaftTruncate, *from, &Bytes::new()),
        RaftChange::Purge(up_to, log_id) => at(Kind::RaftPurge, *up_to, log_id),
        RaftChange::Snapshot(bytes) => at(Kind::RaftSnapshot, 0, bytes),
    }
}

/// The change that a metadata record encodes. `None` for records of other kinds and for a body that does not decode.
pub(crate) fn change_of(draft: &Draft) -> Option<Change> {
    let (id, index, body) = (draft.loglet, draft.offset.0, || draft.body.clone());
    Some(match draft.kind {
        Kind::Batch | Kind::Preamble | Kind::Cell | Kind::NextCell | Kind::Junk => return None,
        Kind::Open => {
            let shape = shape_of(*draft.body.first()?)?;
            Change::Open(id, UnitParams { shape, incarnation: draft.incarnation })
        }
        Kind::Seal => Change::Seal(id),
        Kind::Trim => Change::Trim(id, draft.offset),
        Kind::Drop => Change::Drop(id),
        Kind::Floor => Change::Floor(id.log, id.ordinal),
        Kind::Boot => Change::Boot(draft.incarnation.boot),
        Kind::RaftVote => Change::Raft(RaftChange::Vote(body())),
        Kind::RaftEntry => Change::Raft(RaftChange::Entry(index, body())),
        Kind::RaftTruncate => Change::Raft(RaftChange::Truncate(index)),
        Kind::RaftPurge => Change::Raft(RaftChange::Purge(index, body())),
        Kind::RaftSnapshot => Change::Raft(RaftChange::Snapshot(body())),
    })
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Boot, LogId, StorageId};

    use super::*;

    #[test]
    fn every_change_round_trips() {
        let id = LogletId { log: LogId(1), ordinal: 2, nonce: 3 };
        let incarnation = Incarnation { storage: StorageId(4), boot: Boot(5) };
        let bytes = Bytes::from_static(b"raft");
        let changes = [
            Change::Open(id, UnitParams { shape: Shape::Contiguous, incarnation }),
            Change::Open(id, UnitParams { shape: Shape::Sparse, incarnation }),
            Change::Seal(id),
            Change::Trim(id, Offset(9)),
            Change::Drop(id),
            Change::Floor(LogId(1), 7),
            Change::Boot(Boot(8)),
            Change::Raft(RaftChange::Vote(bytes.clone())),
            Change::Raft(RaftChange::Entry(3, bytes.clone())),
            Change::Raft(RaftChange::Truncate(3)),
            Change::Raft(RaftChange::Purge(3, bytes.clone())),
            Change::Raft(RaftChange::Snapshot(bytes)),
        ];
        for change in changes {
            assert_eq!(change_of(&change_draft(&change)), Some(change));
        }
    }
}
