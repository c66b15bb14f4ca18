//! In which worlds an [`Event`] has happened.

use super::event::Event;
use super::setting::{LOGLETS, OFFSETS, Setting};
use super::world::{Driver, TailCheck, World};

impl Event {
    fn is_in(self, world: &World) -> bool {
        let ended = || (0..usize::from(world.open)).map(|loglet| (loglet, usize::from(world.ends[loglet])));
        match self {
            Event::DifferentEnds => match world.drivers {
                [Driver::Repairing(one, end), Driver::Repairing(other, other_end)] => one == other && end != other_end,
                _ => false,
            },
            Event::EndBelowGrants => ended().any(|(loglet, end)| end < world.sequencers[loglet].next.into()),
            Event::RepairedBeyondEnd => ended().any(|(loglet, end)| {
                // When a store brings a cell, the unit tells a tail above it (`UnitLog::told`). So a cell above the
                // told tail was brought by a repair.
                world.logs(loglet).any(|log| log.is_member && usize::from(log.tail) > end && log.tail > log.told)
            }),
            Event::TwoSequencers => {
                (1..LOGLETS).any(|n| !world.sequencers[n - 1].sent.is_empty() && !world.sequencers[n].sent.is_empty())
            }
            Event::SkippedCell => (0..LOGLETS).any(|loglet| {
                world
                    .logs(loglet)
                    .any(|log| log.is_member && (0..OFFSETS).any(|at| at < usize::from(log.tail) && log.cells[at] == 0))
            }),
            Event::StaleReader => matches!(world.check, TailCheck::Asking { loglet, .. } if loglet < world.open),
            Event::SourceLost => (0..LOGLETS).any(|loglet| {
                world.logs(loglet).any(|log| !log.is_member && log.answered.iter().any(|answer| *answer != 0))
            }),
            Event::SecondEnd => world.open > 1,
        }
    }

    /// [`Self::is_in`], for a property of the model.
    pub(super) fn condition(self) -> fn(&Setting, &World) -> bool {
        match self {
            Event::DifferentEnds => |_, world| Event::DifferentEnds.is_in(world),
            Event::EndBelowGrants => |_, world| Event::EndBelowGrants.is_in(world),
            Event::RepairedBeyondEnd => |_, world| Event::RepairedBeyondEnd.is_in(world),
            Event::TwoSequencers => |_, world| Event::TwoSequencers.is_in(world),
            Event::SkippedCell => |_, world| Event::SkippedCell.is_in(world),
            Event::StaleReader => |_, world| Event::StaleReader.is_in(world),
            Event::SourceLost => |_, world| Event::SourceLost.is_in(world),
            Event::SecondEnd => |_, world| Event::SecondEnd.is_in(world),
        }
    }
}
