//! Reads: from the nearest unit that has the cells. If a unit does not answer soon, the next one is asked too.

use std::ops::Range;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use naxos_proto::contracts::{CellState, UnitError};
use naxos_proto::ids::Offset;

use super::Copies;
use crate::loglet::LogletError;

/// How long a unit may take to answer a read before another unit is asked too.
const ASK_ANOTHER_AFTER: Duration = Duration::from_millis(50);

/// Whether a unit's answer tells what the cell is. After `Absent` or `Corrupt` another unit has to be asked.
pub(super) fn is_known(cell: &CellState) -> bool {
    !matches!(cell, CellState::Absent | CellState::Corrupt)
}

/// The error for a unit's answer that does not tell what the cell is.
fn unreadable(at: Offset, cell: Option<&CellState>) -> UnitError {
    let why = match cell {
        Some(CellState::Corrupt) => {
            "is damaged: expected a record whose checksum holds; the unit's process logs the file's name when it starts"
        }
        _ => "was never written there",
    };
    UnitError::Read(format!("offset {at} {why}"))
}

impl Copies {
    /// Reads the cells of `range`: at least one, then up to about `max_bytes`.
    pub(in crate::loglets) async fn read_cells(
        &self,
        range: Range<Offset>,
        max_bytes: usize,
    ) -> Result<Vec<CellState>, LogletError> {
        let (mut errors, nearest) = (Vec::new(), self.nearest_first());
        let mut further = nearest.iter();
        let mut asked = FuturesUnordered::new();
        loop {
            if asked.is_empty() {
                let Some(unit) = further.next() else {
                    return Err(self.unavailable(&format!("can read offset {}", range.start), &errors));
                };
                asked.push(unit.read(self.loglet, range.clone(), max_bytes));
            }
            // The block makes a timer only if no answer is there yet.
            let is_late = async { self.clock.sleep(ASK_ANOTHER_AFTER).await };
            tokio::select! {
                biased;
                Some(answer) = asked.next() => match answer {
                    Ok(cells) if cells.first().is_some_and(is_known) => {
                        return Ok(cells.into_iter().take_while(is_known).collect());
                    }
                    Ok(cells) => errors.push(unreadable(range.start, cells.first())),
                    Err(e) => errors.push(e),
                },
                () = is_late, if further.len() > 0 => {
                    let unit = further.next().expect("looked at above");
                    asked.push(unit.read(self.loglet, range.clone(), max_bytes));
                }
            }
        }
    }
}
