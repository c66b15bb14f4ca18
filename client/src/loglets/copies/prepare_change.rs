//! Making a copy of a sealed loglet on a storage unit that its parameters do not name yet. Once the copy is complete, the
//! chain may name the unit (`docs/protocol.md`, cluster 19).
//!
//! 1. The unit opens the loglet and seals it, durably, before it gets a cell. So it never takes an append.
//! 2. It is trimmed as far as another unit is. It need not hold what every node has applied.
//! 3. It gets the cells below the end by repair stores, lowest first. Nothing at or above the end is copied.
//! 4. It says itself which cells it holds and can read. Only that counts, and not what was sent to it.
//!
//! If units are left out, nothing is copied: each unit that stays must hold every cell already.

use std::sync::Arc;

use naxos_proto::chain::LogletParams;
use naxos_proto::contracts::{LocalTail, Shape, StorageUnit, UnitDirectory, UnitError, UnitParams};
use naxos_proto::ids::{Offset, StorageId};
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::seams::Clock;
use naxos_proto::unit_change::UnitChange;

use super::ask_units::ask_units;
use super::copy::{Copied, PIECE_BYTES};
use super::release::SLOW_UNITS_PATIENCE;
use super::{Copies, find};
use crate::loglet::{LogletError, Prepared};

/// One step copies at most this many pieces.
const PIECES_MAX: usize = 8;

/// The body of `LogletProvider::prepare_change`.
pub(in crate::loglets) async fn prepare_change(
    directory: &dyn UnitDirectory,
    clock: &Arc<dyn Clock>,
    params: &LogletParams,
    change: &UnitChange,
    below: Offset,
) -> Result<Prepared, LogletError> {
    let LogletRoles { sequencer, units, .. } = roles(params)?;
    match change {
        UnitChange::Replace { to, .. } => {
            let copies = Copies::new(directory, params.id, sequencer, &units, clock)?;
            copies.with_unit(find(directory, params.id, *to)?).enlist_last(below).await
        }
        UnitChange::LeaveOut { units: left_out, .. } => {
            let stay: Vec<StorageId> = units.into_iter().filter(|unit| !left_out.contains(unit)).collect();
            let copies = Copies::new(directory, params.id, sequencer, &stay, clock)?;
            copies.check_whole(below).await.map(|()| Prepared::Ready)
        }
    }
}

fn roles(params: &LogletParams) -> Result<LogletRoles, LogletError> {
    LogletRoles::of(params).map_err(|e| LogletError::Params(params.id, e))
}

impl Copies {
    /// These units and one more, which comes last.
    fn with_unit(mut self, unit: Arc<dyn StorageUnit>) -> Self {
        self.is_near.push(unit.tail_now(self.loglet).is_some());
        self.units.push(unit);
        self
    }

    /// Takes one step to make the copy of the last unit complete. The others are its sources.
    async fn enlist_last(&self, below: Offset) -> Result<Prepared, LogletError> {
        let (new, sources) = self.units.split_last().expect("the new unit is there");
        let failed = |e: UnitError| self.unavailable("take a copy", &[e]);
        let tail = self.opened_sealed(&**new, Shape::Contiguous).await.map_err(failed)?;
        let tails = sources.iter().map(|unit| unit.tail(self.loglet));
        let answers = ask_units(tails, 1, self.clock.sleep(SLOW_UNITS_PATIENCE)).await;
        let trimmed = answers.good.iter().map(|(_, tail)| tail.trim_point).max().unwrap_or(Offset::ZERO).min(below);
        if tail.trim_point < trimmed {
            new.trim(self.loglet, trimmed).await.map_err(failed)?;
        }
        let (mut from, mut copied, mut pieces) = (trimmed.max(tail.trim_point), 0, 0);
        let mut piece_bytes = PIECE_BYTES;
        while from < below {
            let (gaps, told) = self.next_gaps(sources.len(), from..below).await.map_err(failed)?;
            for gap in gaps {
                let mut at = gap.start;
                while at < gap.end {
                    if pieces == PIECES_MAX {
                        return Ok(Prepared::Copied(copied));
                    }
                    pieces += 1;
                    at = match self.copy_piece(sources.len(), at..gap.end, &mut piece_bytes).await? {
                        Copied::Below(next) => {
                            copied += next.0 - at.0;
                            next
                        }
                        // The log was trimmed during this step.
                        Copied::Trimmed(next) => next,
                    };
                }
            }
            from = told;
        }
        // A step that has copied something has not looked at the result yet. The next one does.
        Ok(if pieces == 0 { Prepared::Ready } else { Prepared::Copied(copied) })
    }

    /// Opens the loglet on a unit and seals it there, unless that was done before. Call this only if the loglet is
    /// sealed on other units, or if its segment has ended. Returns the unit's tail.
    ///
    /// For a moment the loglet is open there and not sealed. This does no harm. If no parameters name the unit, nobody sends
    /// it an append or asks it for its tail. If they name it, the end was found without this unit. `shape` says whether the
    /// copy may have gaps.
    pub(super) async fn opened_sealed(&self, unit: &dyn StorageUnit, shape: Shape) -> Result<LocalTail, UnitError> {
        match unit.tail(self.loglet).await {
            Ok(tail) if tail.sealed => return Ok(tail),
            Ok(_) => {}
            Err(UnitError::NotOpen(_)) => {
                let params = UnitParams { shape, incarnation: self.incarnation };
                unit.open(self.loglet, params).await?;
            }
            Err(e) => return Err(e),
        }
        unit.seal(self.loglet).await
    }

    /// An error unless each unit holds every cell below `below` that it has not trimmed.
    async fn check_whole(&self, below: Offset) -> Result<(), LogletError> {
        let (id, lacking) = (self.loglet, self.lacking(below).await);
        let why = lacking.into_iter().find_map(|(unit, lacks)| match lacks {
            Some(0) => None,
            Some(lacks) => Some(format!("storage unit {unit} lacks {lacks} cells of loglet {id}")),
            None => Some(format!("storage unit {unit} does not say which cells of loglet {id} it has")),
        });
        why.map_or(Ok(()), |why| Err(LogletError::Unavailable(why)))
    }
}
