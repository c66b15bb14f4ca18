//! [`Copies`]: the storage units of one loglet. All copies of a cell are equal, whatever the kind of the loglet, because
//! a unit writes each cell once and a position never gets a second value. So everything in here may take a cell from any
//! unit that has it.
//!
//! One procedure per file: `read`, `follow`, `copy`, `replicate`, and `release`, which drops cells and loglets. `ask_units` waits
//! for as many answers as a quorum needs.

pub(super) mod ask_units;
mod copy;
mod follow;
mod read;
mod release;
mod replicate;

use std::sync::Arc;

use naxos_proto::contracts::{StorageUnit, UnitDirectory, UnitError};
use naxos_proto::ids::{Incarnation, LogletId, StorageId};
use naxos_proto::seams::Clock;

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
    /// For waits.
    pub(super) clock: Arc<dyn Clock>,
}

/// The unit with this id, which a loglet needs.
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
        let why = errors.first().map_or_else(|| "no unit answers".to_owned(), ToString::to_string);
        LogletError::Unavailable(format!("too few storage units of loglet {} {what}: {why}", self.loglet))
    }

    /// The units, with those of this process first, because they answer without a message over the network.
    fn nearest_first(&self) -> Vec<&Arc<dyn StorageUnit>> {
        let far = self.units.iter().zip(&self.is_near).filter(|(_, is_near)| !**is_near).map(|(unit, _)| unit);
        self.near_units().chain(far).collect()
    }

    /// The units of this process.
    pub(super) fn near_units(&self) -> impl Iterator<Item = &Arc<dyn StorageUnit>> {
        self.units.iter().zip(&self.is_near).filter(|(_, is_near)| **is_near).map(|(unit, _)| unit)
    }
}
