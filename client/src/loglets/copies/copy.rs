//! Copying cells to a unit that lacks them, and the stores by which a process writes to one unit.

use std::ops::Range;

use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell, CellOutcome, CellState, Purpose, Store, Stored, UnitError};
use naxos_proto::ids::Offset;

use super::Copies;
use crate::loglet::LogletError;

/// Cells are copied in pieces of about this many bytes, or of fewer if the unit takes no store of that size.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// The result of one step of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// The unit holds the cells from the offset at which the step began up to this offset, which is higher. The cell
    /// at this offset is not included.
    Below(Offset),
    /// The cell at the offset at which the step began was trimmed meanwhile, and so were those below this offset. The
    /// unit was trimmed up to there, too.
    Trimmed(Offset),
}

impl Copies {
    /// Copies the cells and the junk of `range` to the unit with index `unit`. They must be committed, or below the tail
    /// of a sealed loglet.
    pub(in crate::loglets) async fn copy_to(&self, unit: usize, range: Range<Offset>) -> Result<(), LogletError> {
        let (mut from, mut piece_bytes) = (range.start, PIECE_BYTES);
        while from < range.end {
            from = match self.copy_piece(unit, from..range.end, &mut piece_bytes).await? {
                Copied::Below(next) | Copied::Trimmed(next) => next,
            };
        }
        Ok(())
    }

    /// Copies about `piece_bytes` from the beginning of `range` to the unit with index `unit`, as [`Self::copy_to`] does.
    /// Lowers `piece_bytes` if the unit takes no store of that size.
    pub(super) async fn copy_piece(
        &self,
        unit: usize,
        range: Range<Offset>,
        piece_bytes: &mut usize,
    ) -> Result<Copied, LogletError> {
        let from = range.start;
        loop {
            let found = self.read_cells(range.clone(), *piece_bytes).await?;
            let cells: Vec<Cell> = found.iter().map_while(value).collect();
            let count = cells.len().max(1) as u64;
            let stored = match found.first() {
                Some(CellState::Present(_)) => self.store(unit, from, cells, Purpose::Repair).await,
                Some(CellState::Junk) => self.fill(unit, from, Purpose::Repair).await,
                Some(CellState::Trimmed) => {
                    // No unit has to hold a cell that another unit has trimmed: a node that has not applied it
                    // fetches a snapshot.
                    let trimmed = found.iter().take_while(|cell| **cell == CellState::Trimmed).count();
                    let next = from.plus(trimmed as u64);
                    let follows = self.units[unit].trim(self.loglet, next).await;
                    follows.map_err(|e| self.unavailable("trim in a repair", &[e]))?;
                    return Ok(Copied::Trimmed(next));
                }
                other => return Err(self.not_repairable(unit, from, &format!("expected cells, found {other:?}"))),
            };
            let stored = match stored {
                Err(UnitError::Invalid(_)) if count > 1 => {
                    *piece_bytes /= 2;
                    continue;
                }
                stored => stored.map_err(|e| self.unavailable("take a repair", &[e]))?,
            };
            // An offset never gets a second value, so other bytes at the same offset mean damage.
            if !stored.cells.iter().all(|c| matches!(c, CellOutcome::Written | CellOutcome::Same)) {
                return Err(self.not_repairable(unit, from, &format!("the unit answers {:?}", stored.cells)));
            }
            return Ok(Copied::Below(from.plus(count)));
        }
    }

    /// Stores cells on the unit with index `unit`. One attempt.
    pub(in crate::loglets) async fn store(
        &self,
        unit: usize,
        at: Offset,
        cells: Vec<Cell>,
        purpose: Purpose,
    ) -> Result<Stored, UnitError> {
        let (loglet, incarnation) = (self.loglet, self.incarnation);
        let (done, stored) = Completion::channel();
        self.units[unit].store(Store { loglet, incarnation, at, cells, purpose }, done);
        stored.await
    }

    /// Stores junk at one offset on the unit with index `unit`. One attempt.
    pub(in crate::loglets) async fn fill(
        &self,
        unit: usize,
        at: Offset,
        purpose: Purpose,
    ) -> Result<Stored, UnitError> {
        self.units[unit].fill(self.loglet, self.incarnation, at, purpose).await
    }

    fn not_repairable(&self, unit: usize, at: Offset, why: &str) -> LogletError {
        let storage = self.units[unit].storage_id().0;
        LogletError::Unavailable(format!(
            "storage unit {storage:016x} of loglet {} cannot be repaired from offset {at} on: {why}",
            self.loglet
        ))
    }
}

fn value(cell: &CellState) -> Option<Cell> {
    match cell {
        CellState::Present(payload) => Some(Cell::new(payload.clone())),
        _ => None,
    }
}
