//! Freeing what units hold of loglets whose segments have left the chain.

use std::collections::BTreeSet;
use std::time::Duration;

use naxos_proto::chain::LogletParams;
use naxos_proto::contracts::UnitDirectory;
use naxos_proto::ids::StorageId;
use naxos_proto::seams::Clock;

use super::ask_units::ask_units;
use super::{Copies, find};
use crate::loglet::LogletError;

/// How long a call to all units waits for those that are slow.
pub(in crate::loglets) const SLOW_UNITS_PATIENCE: Duration = Duration::from_millis(200);

impl Copies {
    /// Drops the loglet from all its units. Waits for `quorum` units, and for the others at most
    /// [`SLOW_UNITS_PATIENCE`] from the beginning on. Returns an error if some unit may still hold the loglet.
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

/// The body of `LogletProvider::raise_floor`. `units` has the units of each loglet of `gone`.
pub(in crate::loglets) async fn raise_floor(
    directory: &dyn UnitDirectory,
    clock: &dyn Clock,
    gone: &[LogletParams],
    units: Vec<Vec<StorageId>>,
    ordinal: u64,
) -> Result<(), LogletError> {
    let Some(LogletParams { id: first, .. }) = gone.first() else { return Ok(()) };
    let (first, storages) = (*first, units.into_iter().flatten().collect::<BTreeSet<_>>());
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
