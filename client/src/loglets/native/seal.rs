//! A seal: ends appends for good and finds an offset above every acknowledged append.

use std::future::ready;
use std::sync::Arc;

use naxos_proto::contracts::{LocalTail, StorageUnit, UnitError};
use naxos_proto::ids::Offset;

use super::NativeLoglet;
use super::repair::SealedUnit;
use crate::loglet::LogletError;
use crate::loglets::copies::ask_units::ask_units;

impl NativeLoglet {
    /// Seals the units until a seal quorum has answered, repairs those that are behind, and returns the highest tail.
    /// Does not wait for units that are slower than the quorum.
    pub(super) async fn seal_units(&self) -> Result<Offset, LogletError> {
        let quorum = self.quorums().seal();
        let answers = ask_units(self.copies.units.iter().map(|unit| self.seal_unit(unit)), quorum, ready(())).await;
        if answers.good.len() < quorum {
            return Err(self.copies.unavailable("take a seal", &answers.errors));
        }
        let sealed: Vec<_> = answers.good.into_iter().map(|(unit, tail)| SealedUnit { unit, tail }).collect();
        self.repair(&sealed).await
    }

    /// Seals one unit. The loglet may never have been opened on this unit, because the change of the chain that began
    /// the loglet waited only for a write quorum of the units. Then the unit holds no cells of the loglet. The loglet
    /// is opened and sealed there now, and the answer counts.
    async fn seal_unit(&self, unit: &Arc<dyn StorageUnit>) -> Result<LocalTail, UnitError> {
        match unit.seal(self.params.id).await {
            Err(UnitError::NotOpen(_)) => {
                unit.open(self.params.id, self.on_unit()).await?;
                unit.seal(self.params.id).await
            }
            answer => answer,
        }
    }
}
