//! Trimming cells, and discarding a loglet whose segment has left the chain.

use std::future::ready;
use std::time::Duration;

use super::NativeLoglet;
use super::ask_units::ask_units;
use crate::loglet::LogletError;
use naxos_proto::ids::Offset;

/// How long a discard waits for the units that are slower than a write quorum.
pub(super) const SLOW_UNITS_PATIENCE: Duration = Duration::from_millis(200);

impl NativeLoglet {
    /// Trims the units. Returns when a write quorum has trimmed. A slower unit may keep the cells until a later trim.
    pub(super) async fn trim_units(&self, up_to: Offset) -> Result<(), LogletError> {
        let quorum = self.quorums().write();
        let calls = self.units.iter().map(|u| u.trim(self.params.id, up_to));
        let answers = ask_units(calls, quorum, ready(())).await;
        if answers.good.len() < quorum { Err(self.unavailable("trim", &answers.errors)) } else { Ok(()) }
    }

    /// Drops the loglet from all its units. An error says that some unit may still hold it.
    pub(super) async fn drop_from_units(&self) -> Result<(), LogletError> {
        let calls = self.units.iter().map(|u| u.drop_loglet(self.params.id));
        let patience = self.clock.sleep(SLOW_UNITS_PATIENCE);
        let answers = ask_units(calls, self.quorums().write(), patience).await;
        if answers.good.len() < self.units.len() {
            return Err(self.unavailable("drop it", &answers.errors));
        }
        Ok(())
    }
}
