//! [`Copies`]: the storage units of one loglet, and what can be done with them whatever the kind of the loglet.
//!
//! A unit writes each cell once, and an offset of a loglet never gets a second value. So all copies of a cell are equal,
//! and the procedures here may take a cell from any unit that has it.
//!
//! One procedure per file:
//!
//! - `read` reads cells, and `follow` streams them
//! - `copy` copies cells to a unit, and `replicate` finds out which cells a unit lacks; `lacking` counts them
//! - `secure` makes enough copies of the last cells of a sealed loglet
//! - `prepare_change` makes a copy of a sealed loglet on a unit that its parameters do not name yet
//! - `release` frees what units hold of loglets that the chain does not name any more
//! - `trim_point` finds out what is trimmed
//! - `ask_units` calls several units and waits for a quorum of answers

pub(super) mod ask_units;
mod copy;
mod follow;
mod lacking;
mod prepare_change;
mod read;
mod release;
mod replicate;
mod secure;
mod trim_point;

use std::sync::Arc;

use naxos_proto::contracts::{StorageUnit, UnitDirectory, UnitError};
use naxos_proto::ids::{Incarnation, LogletId, StorageId};
use naxos_proto::seams::Clock;

pub(super) use self::prepare_change::prepare_change;
pub(super) use self::release::{SLOW_UNITS_PATIENCE, raise_floor};
use crate::loglet::LogletError;

/// See the module.
pub(super) struct Copies {
    pub(super) loglet: LogletId,
    /// The loglet's sequencer.
    pub(super) incarnation: Incarnation,
    /// The units, in the order of the loglet's parameters.
    pub(super) units: Vec<Arc<dyn StorageUnit>>,
    /// Which of `units` are in this process.
    pub(super) is_near: Vec<bool>,
    /// Ends waits for units that do not answer.
    pub(super) clock: Arc<dyn Clock>,
}

/// The unit with the id `storage`. An error if this process does not know it; the text names the loglet that needs it.
fn find(
    directory: &dyn UnitDirectory,
    loglet: LogletId,
    storage: StorageId,
) -> Result<Arc<dyn StorageUnit>, LogletError> {
    directory.unit(storage).ok_or_else(|| {
        let storage = storage.0;
        LogletError::Unavailable(format!("loglet {loglet} needs storage unit {storage:016x}, which is not known here"))
    })
}

impl Copies {
    /// The units with the ids `storages`, for a loglet whose sequencer is `incarnation`.
    pub(super) fn new(
        directory: &dyn UnitDirectory,
        loglet: LogletId,
        incarnation: Incarnation,
        storages: &[StorageId],
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, LogletError> {
        let units = storages.iter().map(|storage| find(directory, loglet, *storage));
        let units = units.collect::<Result<Vec<_>, _>>()?;
        let is_near = units.iter().map(|unit| unit.tail_now(loglet).is_some()).collect();
        Ok(Self { loglet, incarnation, units, is_near, clock: Arc::clone(clock) })
    }

    /// The error of a call to which too few units gave a good answer. `what` says what the units were asked to do.
    pub(super) fn unavailable(&self, what: &str, errors: &[UnitError]) -> LogletError {
        let why = errors.first().map_or_else(|| "some units did not answer in time".to_owned(), ToString::to_string);
        LogletError::Unavailable(format!("too few storage units of loglet {} {what}: {why}", self.loglet))
    }

    /// The units, with those of this process first, because they answer without a message over the network.
    fn nearest_first(&self) -> Vec<&Arc<dyn StorageUnit>> {
        self.near_units().chain(self.units_where(false)).collect()
    }

    /// The units of this process.
    pub(super) fn near_units(&self) -> impl Iterator<Item = &Arc<dyn StorageUnit>> {
        self.units_where(true)
    }

    fn units_where(&self, near: bool) -> impl Iterator<Item = &Arc<dyn StorageUnit>> {
        self.units.iter().zip(&self.is_near).filter(move |(_, is_near)| **is_near == near).map(|(unit, _)| unit)
    }
}
