//! [`Case`]: a unit and one loglet on it.

use std::time::Duration;

use bytes::Bytes;

use crate::completion::Completion;
use crate::contracts::{
    Cell, CellOutcome, CellState, LocalTail, Purpose, Shape, StorageUnit, Store, Stored, UnitError, UnitParams,
};
use crate::ids::{Boot, Incarnation, LogId, LogletId, Offset, StorageId};
use crate::seams::Clock;

pub(super) const OWNER: Incarnation = Incarnation { storage: StorageId(77), boot: Boot(3) };
/// The purpose of an append that knows of no committed cell.
pub(super) const APPEND: Purpose = Purpose::Append { known_tail: Offset(0) };
/// A stream that sends nothing for this long has nothing to send.
pub(super) const SILENCE: Duration = Duration::from_millis(50);

pub(super) fn id(ordinal: u64) -> LogletId {
    LogletId { log: LogId(9), ordinal, nonce: ordinal * 1_000 }
}

pub(super) fn cell(text: &str) -> Cell {
    Cell::new(Bytes::copy_from_slice(text.as_bytes()))
}

pub(super) fn present(text: &str) -> CellState {
    CellState::Present(Bytes::copy_from_slice(text.as_bytes()))
}

/// A unit and one loglet on it.
pub(super) struct Case<'a> {
    pub(super) unit: &'a dyn StorageUnit,
    pub(super) clock: &'a dyn Clock,
    pub(super) id: LogletId,
}

impl<'a> Case<'a> {
    pub(super) async fn open(unit: &'a dyn StorageUnit, clock: &'a dyn Clock, ordinal: u64, shape: Shape) -> Case<'a> {
        let case = Case { unit, clock, id: id(ordinal) };
        let opened = unit.open(case.id, UnitParams { shape, incarnation: OWNER }).await;
        assert_eq!(opened, Ok(()));
        case
    }

    pub(super) fn request(&self, at: u64, texts: &[&str], known_tail: u64) -> Store {
        Store {
            loglet: self.id,
            incarnation: OWNER,
            at: Offset(at),
            cells: texts.iter().map(|t| cell(t)).collect(),
            purpose: Purpose::Append { known_tail: Offset(known_tail) },
        }
    }

    pub(super) async fn send(&self, store: Store) -> Result<Stored, UnitError> {
        let (done, outcome) = Completion::channel();
        self.unit.store(store, done);
        outcome.await
    }

    pub(super) async fn store(&self, at: u64, texts: &[&str], known_tail: u64) -> Vec<CellOutcome> {
        self.send(self.request(at, texts, known_tail)).await.expect("the unit takes the store").cells
    }

    /// Fills one offset. Returns the outcome and the seal bit.
    pub(super) async fn fill(&self, at: u64, purpose: Purpose) -> (CellOutcome, bool) {
        let Stored { cells, sealed } =
            self.unit.fill(self.id, OWNER, Offset(at), purpose).await.expect("the unit takes the fill");
        assert_eq!(cells.len(), 1, "a fill has one outcome");
        (cells[0], sealed)
    }

    pub(super) async fn read(&self, from: u64, to: u64) -> Vec<CellState> {
        self.unit.read(self.id, Offset(from)..Offset(to), usize::MAX).await.expect("the unit reads")
    }

    pub(super) async fn tail(&self) -> LocalTail {
        let tail = self.unit.tail(self.id).await.expect("the loglet is open");
        // A unit of another process answers `None`.
        if let Some(now) = self.unit.tail_now(self.id) {
            assert_eq!(now, Ok(tail), "the tail from memory is the same");
        }
        tail
    }
}
