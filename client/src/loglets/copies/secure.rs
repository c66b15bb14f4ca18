//! Enough copies of the last cells of a sealed loglet, before the chain ends it.
//!
//! A loglet whose appends need every unit may be sealed by one of them. Everything below its known tail is on every unit.
//! The cells from there to the end are perhaps only on the units that answered the seal. The chain makes these cells part of
//! the log, and then clients are told that they are done. So before that they get as many copies as an append that was
//! acknowledged has in any case: on the units of the loglet that answer late, or on spare units.

use std::future::ready;
use std::ops::Range;
use std::time::Duration;

use naxos_proto::contracts::{LocalTail, Shape, UnitError};
use naxos_proto::ids::{Offset, StorageId};

use super::Copies;
use super::ask_units::ask_units;
use crate::loglet::LogletError;

/// How long the other units may take to tell what they hold, after the first one has told it.
const TELL_PATIENCE: Duration = Duration::from_millis(50);

impl Copies {
    /// Makes sure that each cell below `end` is on at least `copies_min` units. The first `named` units are those of the
    /// loglet's parameters, and the others are spare ones. Returns the spare units that got copies: the parameters have to
    /// name them from now on.
    pub(in crate::loglets) async fn secure(
        &self,
        named: usize,
        end: Offset,
        copies_min: usize,
    ) -> Result<Vec<StorageId>, LogletError> {
        let tails = self.units[..named].iter().map(|unit| unit.tail(self.loglet));
        let answers = ask_units(tails, 1, self.clock.sleep(TELL_PATIENCE)).await;
        let on_all = |tail: &LocalTail| tail.trim_point.max(tail.known_tail.min(tail.tail));
        let from = answers.good.iter().map(|(_, tail)| on_all(tail)).max().unwrap_or(Offset::ZERO);
        if from >= end {
            return Ok(Vec::new());
        }
        let mut holders = Vec::new();
        for (unit, tail) in &answers.good {
            // A unit that is not sealed yet may lose a race with an append, so what it holds now is not counted.
            if tail.sealed
                && self.next_gaps(*unit, from..end).await.is_ok_and(|(gaps, told)| gaps.is_empty() && told == end)
            {
                holders.push(*unit);
            }
        }
        let lacks = copies_min.saturating_sub(holders.len());
        let others: Vec<usize> = (0..self.units.len()).filter(|unit| !holders.contains(unit)).collect();
        let calls = others.iter().map(|unit| self.secure_on(*unit, from..end));
        let mut answers = ask_units(calls, lacks, ready(())).await;
        if answers.good.len() < lacks {
            let none = || self.unavailable(&format!("can hold the cells from offset {from} on"), &[]);
            return Err(answers.errors.pop().unwrap_or_else(none));
        }
        let secured = answers.good.into_iter().map(|(other, ())| others[other]);
        Ok(secured.filter(|unit| *unit >= named).map(|unit| self.units[unit].storage_id()).collect())
    }

    /// Seals the loglet on one unit and copies the cells of `range` there. The unit may lack cells below the range. The
    /// replication behind the appends brings them later.
    async fn secure_on(&self, unit: usize, range: Range<Offset>) -> Result<(), LogletError> {
        let failed = |e: UnitError| self.unavailable("take a copy", &[e]);
        let tail = self.opened_sealed(&*self.units[unit], Shape::Sparse).await.map_err(failed)?;
        self.copy_missing(unit, range.start.max(tail.trim_point)..range.end).await.map(drop)
    }
}
