//! Trimming cells.

use std::future::ready;

use naxos_proto::ids::Offset;

use super::NativeLoglet;
use crate::loglet::LogletError;
use crate::loglets::copies::ask_units::ask_units;

impl NativeLoglet {
    /// Trims the units. Returns when a write quorum has trimmed. A slower unit may keep the cells until a later trim.
    pub(super) async fn trim_units(&self, up_to: Offset) -> Result<(), LogletError> {
        let quorum = self.quorums().write();
        let calls = self.copies.units.iter().map(|u| u.trim(self.params.id, up_to));
        let answers = ask_units(calls, quorum, ready(())).await;
        if answers.good.len() < quorum { Err(self.copies.unavailable("trim", &answers.errors)) } else { Ok(()) }
    }
}
