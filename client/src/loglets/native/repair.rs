//! Repair: after a seal, copies cells to those sealed units that are behind. Any unit of the loglet that has the cells
//! can be the source.
//!
//! 1. The end is the highest tail of a seal quorum. An acknowledged append is on a write quorum. The two quorums share
//!    a unit, so the append lies below the end.
//! 2. Before the end may be installed in the chain, a write quorum of the units that answered must hold all cells below
//!    it. If fewer units answered than a write quorum has, each of them must. Otherwise the death of one unit could
//!    lose an entry that the chain counts.
//! 3. Repair may keep an entry that was appended but not acknowledged. That is correct, because its outcome was
//!    unknown.
//! 4. Another process may seal the loglet too, get answers from other units, and so find another end. Only the end in
//!    the chain that is installed is valid.

use std::future::ready;
use std::ops::Range;

use naxos_proto::contracts::LocalTail;
use naxos_proto::ids::Offset;

use super::NativeLoglet;
use crate::loglet::LogletError;
use crate::loglets::copies::ask_units::ask_units;

/// A unit that answered a seal.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealedUnit {
    /// The unit's index in the list of units.
    pub(super) unit: usize,
    /// The unit's tail after the seal.
    pub(super) tail: LocalTail,
}

impl NativeLoglet {
    /// Copies to the units of `sealed` the cells that they lack below the highest of their tails. Waits until a write
    /// quorum of these units has all of those cells. If `sealed` has fewer units than a write quorum, waits for each of
    /// them. Returns the highest tail.
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
            let trimmed = self.copies.units[behind.unit].trim(self.params.id, range.start).await;
            trimmed.map_err(|e| self.copies.unavailable("trim in a repair", &[e]))?;
            from = range.start;
        }
        if from < range.end {
            let cells = range.end.0 - from.0;
            tracing::debug!(unit = behind.unit, cells, "copying cells to a sealed unit that lacks them");
        }
        self.copies.copy_to(behind.unit, from..range.end).await
    }
}
