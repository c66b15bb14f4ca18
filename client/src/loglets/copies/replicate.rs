//! Replication in the background: gives a unit the cells that it missed while it was slow or away.

use std::ops::Range;

use futures::future::join_all;
use naxos_proto::contracts::{HELD_RANGES_MAX, LocalTail, Shape, UnitError};
use naxos_proto::ids::Offset;

use super::Copies;
use crate::loglet::LogletError;

/// The parts of `range` that are not in `held`, which is ascending.
fn gaps(range: Range<Offset>, held: &[Range<Offset>]) -> Vec<Range<Offset>> {
    let (mut from, mut gaps) = (range.start, Vec::new());
    for part in held {
        if from < part.start {
            gaps.push(from..part.start.min(range.end));
        }
        from = from.max(part.end);
    }
    if from < range.end {
        gaps.push(from..range.end);
    }
    gaps
}

impl Copies {
    /// Copies to each unit the cells below `below` that it lacks. Goes on with the other units after an error, and then
    /// returns the first error. Returns how many cells were copied.
    ///
    /// `below` must not be above a checked tail or the end of the segment in the chain. Then the cells are committed, and
    /// they may be copied even if the loglet is open. `has_ended` says that the chain has ended the segment at `below`.
    pub(in crate::loglets) async fn replicate_cells(&self, below: Offset, has_ended: bool) -> Result<u64, LogletError> {
        let mut outcome = Ok(0);
        let tails = join_all(self.units.iter().map(async |unit| match unit.tail(self.loglet).await {
            // The change of the chain that began the loglet waited for a write quorum of the units only. This unit did
            // not answer then, and the sequencer that would have opened the loglet later is gone.
            Err(UnitError::NotOpen(_)) if has_ended => self.opened_sealed(&**unit, Shape::Contiguous).await,
            tail => tail,
        }))
        .await;
        let trimmed = tails.iter().flatten().map(|tail| tail.trim_point).max().unwrap_or(Offset::ZERO);
        for (unit, tail) in tails.into_iter().enumerate() {
            let copied = match tail {
                Ok(tail) => self.replicate_to(unit, tail, trimmed.min(below)..below).await,
                Err(e) => Err(self.unavailable("say what they hold", &[e])),
            };
            outcome = match (outcome, copied) {
                (Ok(all), Ok(copied)) => Ok(all + copied),
                (Err(e), _) | (Ok(_), Err(e)) => Err(e),
            };
        }
        outcome
    }

    /// Copies to the unit with index `unit` the cells of a range that this unit lacks. `tail` is what the unit answered
    /// last. The range begins at the highest trim point of all units. If the unit has a lower one, it is trimmed up to
    /// there first. Returns how many cells were copied.
    pub(in crate::loglets) async fn replicate_to(
        &self,
        unit: usize,
        tail: LocalTail,
        Range { start, end: below }: Range<Offset>,
    ) -> Result<u64, LogletError> {
        let on_unit = &self.units[unit];
        let failed = |e: UnitError| self.unavailable("say what they hold", &[e]);
        if tail.trim_point < start {
            // No unit has to hold a cell that another unit has trimmed: no node of the view needs it from the log any
            // more, and the other units may not hold it either.
            on_unit.trim(self.loglet, start).await.map_err(failed)?;
        }
        self.copy_missing(unit, start.max(tail.trim_point)..below).await
    }

    /// Copies to the unit with index `unit` the cells of a range that this unit lacks. Returns how many cells were copied.
    pub(super) async fn copy_missing(&self, unit: usize, range: Range<Offset>) -> Result<u64, LogletError> {
        let failed = |e: UnitError| self.unavailable("say what they hold", &[e]);
        let (mut from, mut copied) = (range.start, 0);
        while from < range.end {
            let (gaps, told) = self.next_gaps(unit, from..range.end).await.map_err(failed)?;
            for gap in gaps {
                copied += gap.end.0 - gap.start.0;
                self.copy_to(unit, gap).await?;
            }
            from = told;
        }
        Ok(copied)
    }

    /// The cells that a unit lacks in the first part of a range, and the end of that part. If the unit holds the range
    /// in many pieces, one answer does not tell about the whole range.
    pub(super) async fn next_gaps(
        &self,
        unit: usize,
        range: Range<Offset>,
    ) -> Result<(Vec<Range<Offset>>, Offset), UnitError> {
        let held = self.units[unit].held(self.loglet, range.clone()).await?;
        let told = if held.len() < HELD_RANGES_MAX { range.end } else { held[held.len() - 1].end };
        Ok((gaps(range.start..told, &held), told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_is_not_held() {
        let range = |from: u64, below: u64| Offset(from)..Offset(below);
        let ranges = |pairs: &[(u64, u64)]| pairs.iter().map(|(a, b)| range(*a, *b)).collect::<Vec<_>>();
        for (held, expected) in [
            (&[][..], &[(2, 9)][..]),
            (&[(2, 9)], &[]),
            (&[(3, 4), (6, 8)], &[(2, 3), (4, 6), (8, 9)]),
            (&[(2, 5)], &[(5, 9)]),
            (&[(5, 9)], &[(2, 5)]),
        ] {
            assert_eq!(gaps(range(2, 9), &ranges(held)), ranges(expected), "{held:?}");
        }
    }
}
