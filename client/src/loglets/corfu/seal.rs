//! A seal: ends appends for good and finds an offset above every acknowledged append.
//!
//! 1. An append is acknowledged when every unit has it and everything below it. Each unit must have had all of that
//!    before the unit was sealed. So one sealed unit is enough: it holds every acknowledged append, and they are all below
//!    the first offset that this unit lacks.
//! 2. Each unit that answers has such a first offset. The end is the highest of them. The unit with this offset has no
//!    hole below it. So after the seal no offset is left to be decided, and the first unit is not needed for that.
//! 3. Before the end may be installed in the chain, every unit that answered gets the cells that it lacks below the end.
//!    All copies of a cell are equal, so a copy is right even if another process that seals the loglet finds another end.

use std::future::ready;
use std::time::Duration;

use naxos_proto::contracts::{CellState, LocalTail, StorageUnit, UnitError};
use naxos_proto::ids::Offset;

use super::seal_found::SealFound;
use super::unit_chain::UnitChain;
use crate::loglet::LogletError;
use crate::loglets::copies::ask_units::ask_units;

/// How long a seal waits for the other units after the first one has answered. The more units answer, the more copies
/// there are of the cells below the end.
const SEAL_PATIENCE: Duration = Duration::from_millis(50);
/// How long a seal waits until the units that answered have everything below the end.
const REPAIR_PATIENCE: Duration = Duration::from_secs(1);

/// A unit that answered a seal.
#[derive(Clone, Copy, Debug)]
struct SealedUnit {
    /// The unit's index in the chain.
    unit: usize,
    /// The unit's tail after the seal.
    tail: LocalTail,
    /// The first offset that the unit lacks.
    lacks: Offset,
}

/// Everything below this offset is or was on every unit. Cells below the known tail are there. Cells that are trimmed
/// were there.
fn on_all_units(tail: LocalTail) -> Offset {
    tail.trim_point.max(tail.known_tail.min(tail.tail))
}

impl UnitChain {
    /// Seals the units, repairs those that answered, and returns the end.
    pub(super) async fn seal_units(&self) -> Result<Offset, LogletError> {
        let clock = &*self.copies.clock;
        let calls = (0..self.units().len()).map(|unit| self.seal_unit(unit));
        let answers = ask_units(calls, 1, clock.sleep(SEAL_PATIENCE)).await;
        let sealed: Vec<_> = answers.good.into_iter().map(|(_, sealed)| sealed).collect();
        let Some(end) = sealed.iter().map(|unit| unit.lacks).max() else {
            return Err(self.copies.unavailable("take a seal", &answers.errors));
        };
        let trimmed = sealed.iter().map(|unit| unit.tail.trim_point).max().unwrap_or(Offset::ZERO);
        let repairs = sealed.iter().map(|unit| self.copies.replicate_to(unit.unit, unit.tail, trimmed.min(end)..end));
        let repaired = ask_units(repairs, sealed.len(), ready(()));
        let repaired = tokio::select! {
            biased;
            repaired = repaired => repaired,
            () = clock.sleep(REPAIR_PATIENCE) => return Err(self.copies.unavailable("take a repair in time", &[])),
        };
        if let Some(why) = repaired.errors.into_iter().next() {
            return Err(why);
        }
        let holders = sealed.iter().map(|unit| unit.unit).collect();
        let on_all = sealed.iter().map(|unit| on_all_units(unit.tail)).max().unwrap_or(Offset::ZERO);
        *self.seal_found.lock() = SealFound { holders, on_all };
        Ok(end)
    }

    async fn seal_unit(&self, unit: usize) -> Result<SealedUnit, UnitError> {
        let on_unit = &*self.units()[unit];
        let tail = on_unit.seal(self.id).await?;
        Ok(SealedUnit { unit, tail, lacks: self.first_lack(on_unit, tail).await? })
    }

    /// The first offset that a sealed unit lacks. A damaged cell counts as one that it has (`docs/protocol.md`, cluster 8),
    /// because it may have been acknowledged.
    async fn first_lack(&self, unit: &dyn StorageUnit, tail: LocalTail) -> Result<Offset, UnitError> {
        let mut at = on_all_units(tail);
        while at < tail.tail {
            let held = unit.held(self.id, at..tail.tail).await?;
            if let Some(range) = held.first().filter(|range| range.start == at) {
                at = range.end;
                continue;
            }
            match unit.read(self.id, at..at.next(), 1).await?.first() {
                None | Some(CellState::Absent) => break,
                Some(_) => at = at.next(),
            }
        }
        Ok(at)
    }
}
