//! Trimming cells.

use naxos_proto::ids::Offset;

use super::unit_chain::UnitChain;
use crate::loglet::LogletError;
use crate::loglets::copies::SLOW_UNITS_PATIENCE;
use crate::loglets::copies::ask_units::ask_units;

impl UnitChain {
    /// Trims the units. A unit that does not answer in time keeps its cells until a later trim. That does no harm, because
    /// only committed cells are trimmed, and all copies are equal.
    pub(super) async fn trim_units(&self, up_to: Offset) -> Result<(), LogletError> {
        let calls = self.units().iter().map(|unit| unit.trim(self.id, up_to));
        let answers = ask_units(calls, 1, self.copies.clock.sleep(SLOW_UNITS_PATIENCE)).await;
        if answers.good.is_empty() { Err(self.copies.unavailable("trim", &answers.errors)) } else { Ok(()) }
    }
}
