//! In which worlds an [`Event`] has happened.

use super::event::Event;
use super::setting::{LOGLETS, Setting};
use super::world::{Driver, TailCheck, World};

/// The ended loglets, each with its end.
fn ended(world: &World) -> impl Iterator<Item = (usize, usize)> {
    (0..usize::from(world.open)).map(|loglet| (loglet, usize::from(world.ends[loglet])))
}

impl Event {
    /// Whether a world shows that the event has happened: the condition of a property of the model.
    pub(super) fn condition(self) -> fn(&Setting, &World) -> bool {
        match self {
            Event::DifferentEnds => |_, world| match world.drivers {
                [Driver::Repairing(one, end), Driver::Repairing(other, other_end)] => one == other && end != other_end,
                _ => false,
            },
            Event::EndBelowGrants => {
                |_, world| ended(world).any(|(loglet, end)| end < world.sequencers[loglet].next.into())
            }
            Event::RepairedBeyondEnd => |_, world| {
                // When a store brings a cell, the unit tells a tail above it (`UnitLog::told`). So a cell above the
                // told tail was brought by a repair.
                ended(world).any(|(loglet, end)| {
                    world.logs(loglet).any(|log| log.is_member && usize::from(log.tail) > end && log.tail > log.told)
                })
            },
            Event::TwoSequencers => |_, world| {
                (1..LOGLETS).any(|n| !world.sequencers[n - 1].sent.is_empty() && !world.sequencers[n].sent.is_empty())
            },
            Event::SkippedCell => |_, world| {
                let has_gap = |tail: u8, cells: &[u8]| cells.iter().take(tail.into()).any(|cell| *cell == 0);
                (0..LOGLETS).any(|n| world.logs(n).any(|log| log.is_member && has_gap(log.tail, &log.cells)))
            },
            Event::StaleReader => {
                |_, world| matches!(world.check, TailCheck::Asking { loglet, .. } if loglet < world.open)
            }
            Event::SourceLost => |_, world| {
                let has_answered = |answered: &[u8]| answered.iter().any(|answer| *answer != 0);
                (0..LOGLETS).any(|n| world.logs(n).any(|log| !log.is_member && has_answered(&log.answered)))
            },
            Event::SecondEnd => |_, world| world.open > 1,
        }
    }
}
