//! Repair: after a seal, copies cells to those sealed units that are behind. Any unit of the loglet that has the cells
//! can be the source.
//!
//! 1. The end is the highest tail of a seal quorum. An acknowledged append is on a write quorum. The two quorums share
//!    a unit, so the append lies below the end.
//! 2. Before the end may be installed in the chain, a write quorum of the units that answered must hold all cells below
//!    it, or all that answered if they are fewer. Otherwise the death of one unit could lose an entry that the chain
//!    counts.
//! 3. Repair may keep an entry that was appended but not acknowledged. That is correct, because its outcome was
//!    unknown.
//! 4. Another process may seal the loglet too, get answers from other units, and so find another end. Only the end in
//!    the chain that is installed is valid.

use std::future::ready;
use std::ops::Range;

use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell, CellOutcome, CellState, LocalTail, Purpose, Store, UnitError};
use naxos_proto::ids::Offset;

use super::NativeLoglet;
use super::ask_units::ask_units;
use crate::loglet::LogletError;

/// Cells are copied in pieces of about this many bytes, or of fewer if the unit takes no store of that size.
const PIECE_BYTES: usize = 1 << 20;

/// A unit that answered a seal.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealedUnit {
    /// The unit's index in the list of units.
    pub(super) unit: usize,
    /// The unit's tail after the seal.
    pub(super) tail: LocalTail,
}

impl NativeLoglet {
    /// Copies to the units of `sealed` the cells that they lack below the highest tail of all, until a write quorum of
    /// them has all, or every one if they are fewer. Returns that tail.
    pub(super) async fn repair(&self, sealed: &[SealedUnit]) -> Result<Offset, LogletError> {
        let end = sealed.iter().map(|s| s.tail.tail).max().expect("a quorum has a unit");
        let trim_point = sealed.iter().map(|s| s.tail.trim_point).max().expect("a quorum has a unit");
        let whole = self.quorums().write().min(sealed.len());
        let repairs = sealed.iter().map(|unit| self.repair_unit(*unit, trim_point..end));
        let answers = ask_units(repairs, whole, ready(())).await;
        match answers.errors.into_iter().next() {
            Some(why) if answers.good.len() < whole => Err(why),
            _ => Ok(end),
        }
    }

    async fn repair_unit(&self, behind: SealedUnit, range: Range<Offset>) -> Result<(), LogletError> {
        let mut from = behind.tail.tail;
        if from < range.start {
            // A cell that another unit has trimmed was committed and is not needed any more.
            let trimmed = self.units[behind.unit].trim(self.params.id, range.start).await;
            trimmed.map_err(|e| self.unavailable("trim in a repair", &[e]))?;
            from = range.start;
        }
        if from < range.end {
            let cells = range.end.0 - from.0;
            tracing::debug!(unit = behind.unit, cells, "copying cells to a sealed unit that lacks them");
        }
        self.copy_to(behind.unit, from..range.end).await
    }

    /// Copies the cells of `range`, which are committed or below a sealed tail, to the unit with index `unit`.
    pub(super) async fn copy_to(&self, unit: usize, range: Range<Offset>) -> Result<(), LogletError> {
        let (mut from, mut piece_bytes) = (range.start, PIECE_BYTES);
        while from < range.end {
            let cells = self.read_cells(from..range.end, piece_bytes).await?;
            let count = cells.len() as u64;
            let copies = cells.into_iter().map(|cell| match cell {
                CellState::Present(payload) => Ok(Cell { payload, commands: 1 }),
                other => Err(self.not_repairable(unit, from, &format!("expected cells, found {other:?}"))),
            });
            let store = Store {
                loglet: self.params.id,
                incarnation: self.native.sequencer,
                at: from,
                cells: copies.collect::<Result<Vec<_>, _>>()?,
                purpose: Purpose::Repair,
            };
            let (done, stored) = Completion::channel();
            self.units[unit].store(store, done);
            let stored = match stored.await {
                Err(UnitError::Invalid(_)) if count > 1 => {
                    piece_bytes /= 2;
                    continue;
                }
                stored => stored.map_err(|e| self.unavailable("take a repair", &[e]))?,
            };
            // The sequencer never gives out the offset of a stored cell again, so other bytes at the same offset mean
            // damage.
            if !stored.cells.iter().all(|c| matches!(c, CellOutcome::Written | CellOutcome::Same)) {
                return Err(self.not_repairable(unit, from, &format!("the unit answers {:?}", stored.cells)));
            }
            from = from.plus(count);
        }
        Ok(())
    }

    fn not_repairable(&self, unit: usize, at: Offset, why: &str) -> LogletError {
        let storage = self.native.units[unit].0;
        LogletError::Unavailable(format!(
            "storage unit {storage:016x} of loglet {} cannot be repaired from offset {at} on: {why}",
            self.params.id
        ))
    }
}
