//! Creating a loglet on its units, before a chain of loglets names it.

use std::future::ready;
use std::time::Duration;

use super::unit_chain::UnitChain;
use crate::loglet::LogletError;
use crate::loglets::copies::ask_units::ask_units;

/// How long the units may take. In this time the failure detector finds out which unit is silent, and the next attempt
/// chooses the units without it.
const OPEN_PATIENCE: Duration = Duration::from_secs(2);

impl UnitChain {
    /// Opens the loglet on all its units, because an append needs all of them.
    pub(super) async fn open_on_units(&self) -> Result<(), LogletError> {
        let count = self.units().len();
        let calls = (0..count).map(|unit| self.units()[unit].open(self.id, self.on_unit(unit)));
        let answers = tokio::select! {
            biased;
            answers = ask_units(calls, count, ready(())) => answers,
            () = self.copies.clock.sleep(OPEN_PATIENCE) => return Err(self.copies.unavailable("open it in time", &[])),
        };
        if answers.good.len() < count { Err(self.copies.unavailable("open it", &answers.errors)) } else { Ok(()) }
    }
}
