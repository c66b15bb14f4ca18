//! Creating a loglet on its units, before a chain names it.

use std::future::ready;

use super::NativeLoglet;
use crate::loglet::LogletError;
use crate::loglets::copies::ask_units::ask_units;

impl NativeLoglet {
    /// Opens the loglet on its units. Returns when a write quorum has it. Slower units may not have it then. The
    /// sequencer opens it on those when it begins to serve.
    pub(super) async fn open_on_units(&self) -> Result<(), LogletError> {
        let quorum = self.quorums().write();
        let calls = self.copies.units.iter().map(|unit| unit.open(self.params.id, self.on_unit()));
        let answers = ask_units(calls, quorum, ready(())).await;
        if answers.good.len() < quorum { Err(self.copies.unavailable("open it", &answers.errors)) } else { Ok(()) }
    }
}
