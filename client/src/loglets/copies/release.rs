//! Dropping a loglet whose segment has left the chain.

use std::collections::BTreeSet;
use std::time::Duration;

use naxos_proto::contracts::UnitDirectory;
use naxos_proto::ids::{LogletId, StorageId};
use naxos_proto::seams::Clock;

use super::ask_units::ask_units;
use super::{Copies, find};
use crate::loglet::LogletError;

/// How long a call that needs all units waits for those that are slow.
pub(in crate::loglets) const SLOW_UNITS_PATIENCE: Duration = Duration::from_millis(200);

impl Copies {
    /// Drops the loglet from all its units. An error says that some unit may still hold it. Waits for `quorum` units, and
    /// for the others a while.
    pub(in crate::loglets) async fn drop_from_units(&self, quorum: usize) -> Result<(), LogletError> {
        let calls = self.units.iter().map(|u| u.drop_loglet(self.loglet));
        let patience = self.clock.sleep(SLOW_UNITS_PATIENCE);
        let answers = ask_units(calls, quorum, patience).await;
        if answers.good.len() < self.units.len() {
            return Err(self.unavailable("drop it", &answers.errors));
        }
        Ok(())
    }
}

/// Raises the floor of the log of loglet `first` to `ordinal`, on the units with the ids `storages`.
pub(in crate::loglets) async fn raise_floor(
    directory: &dyn UnitDirectory,
    clock: &dyn Clock,
    first: LogletId,
    storages: BTreeSet<StorageId>,
    ordinal: u64,
) -> Result<(), LogletError> {
    let (mut units, mut outcome) = (Vec::new(), Ok(()));
    for storage in storages {
        match find(directory, first, storage) {
            Ok(unit) => units.push(unit),
            Err(e) => outcome = outcome.and(Err(e)),
        }
    }
    let calls = units.iter().map(|unit| unit.raise_floor(first.log, ordinal));
    let answers = ask_units(calls, 0, clock.sleep(SLOW_UNITS_PATIENCE)).await;
    match answers.errors.first() {
        _ if answers.good.len() == units.len() => outcome,
        Some(e) => outcome.and(Err(LogletError::Unavailable(e.to_string()))),
        None => outcome.and(Err(LogletError::Unavailable("a storage unit does not answer".to_owned()))),
    }
}
