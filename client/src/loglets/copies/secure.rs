//! Enough copies of the last cells of a sealed loglet, before the chain ends it.
//!
//! A loglet whose appends need every unit may be sealed by one of them. Everything below its known tail is on every
//! unit. The cells from there to the end are perhaps only on the units that answered the seal. The chain makes these
//! cells part of the log, and then clients are told that their appends are done. So before that, each of these cells
//! must be on as many units as a new loglet must have. Missing copies go to units of the loglet that answer late, or to
//! spare units.

use std::future::ready;
use std::ops::Range;
use std::time::Duration;

use naxos_proto::contracts::{Shape, UnitError};
use naxos_proto::ids::{Offset, StorageId};

use super::Copies;
use super::ask_units::ask_units;
use crate::loglet::LogletError;

/// How long the copies may take. Appends wait meanwhile, and so does a call that adopts a newer chain.
const SECURE_PATIENCE: Duration = Duration::from_secs(1);

impl Copies {
    /// Makes `lacks` more copies of the cells of `range`, on any of the units but `holders`, which have them. The first
    /// `named` units are those of the loglet's parameters, and the others are spare ones. Returns the spare units that got
    /// copies: the parameters have to name them from now on.
    pub(in crate::loglets) async fn secure(
        &self,
        named: usize,
        holders: &[usize],
        range: Range<Offset>,
        lacks: usize,
    ) -> Result<Vec<StorageId>, LogletError> {
        let others: Vec<usize> = (0..self.units.len()).filter(|unit| !holders.contains(unit)).collect();
        let calls = others.iter().map(|unit| self.secure_on(*unit, range.clone()));
        let mut answers = tokio::select! {
            biased;
            answers = ask_units(calls, lacks, ready(())) => answers,
            () = self.clock.sleep(SECURE_PATIENCE) => return Err(self.unavailable("take a copy in time", &[])),
        };
        if answers.good.len() < lacks {
            let none = || self.unavailable(&format!("can hold the cells from offset {} on", range.start), &[]);
            return Err(answers.errors.pop().unwrap_or_else(none));
        }
        let secured = answers.good.into_iter().map(|(other, ())| others[other]);
        Ok(secured.filter(|unit| *unit >= named).map(|unit| self.units[unit].storage_id()).collect())
    }

    /// Seals the loglet on one unit and copies the cells of `range` there. The unit may lack cells below the range. The
    /// replication in the background brings them later.
    async fn secure_on(&self, unit: usize, range: Range<Offset>) -> Result<(), LogletError> {
        let failed = |e: UnitError| self.unavailable("take a copy", &[e]);
        let tail = self.opened_sealed(&*self.units[unit], Shape::Sparse).await.map_err(failed)?;
        self.copy_missing(unit, range.start.max(tail.trim_point)..range.end).await.map(drop)
    }
}
