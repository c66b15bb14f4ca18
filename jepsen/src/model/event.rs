//! [`Event`]: something that must happen in at least one execution of a model. This shows that the model contains the
//! executions that the rules are about.

use super::setting::{LOGLETS, OFFSETS, Setting};
use super::world::{Driver, TailCheck, World};

/// Something that happens in some execution of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Two drivers computed different ends of one loglet.
    DifferentEnds,
    /// A segment ended although its sequencer had given out offsets at or above the end.
    EndBelowGrants,
    /// A driver repaired a cell, and then the segment ended below this cell.
    RepairedBeyondEnd,
    /// A sequencer gave out offsets after its successor had given out some.
    TwoSequencers,
    /// A unit holds a later cell and skipped an earlier one.
    SkippedCell,
    /// A reader asked for the tail of a loglet that the chain had ended.
    StaleReader,
    /// A unit lost its disk after it had answered the seal of a driver.
    SourceLost,
    /// The second segment of the chain ended.
    SecondEnd,
}

impl Event {
    /// The event in words.
    pub fn text(self) -> &'static str {
        match self {
            Event::DifferentEnds => "two drivers computed different ends",
            Event::EndBelowGrants => "a segment ended below what its sequencer had given out",
            Event::RepairedBeyondEnd => "a segment ended below a cell that was repaired",
            Event::TwoSequencers => "two sequencers gave out offsets",
            Event::SkippedCell => "a unit skipped a cell",
            Event::StaleReader => "a reader asked for the tail of an ended loglet",
            Event::SourceLost => "a unit lost its disk after it had answered a driver",
            Event::SecondEnd => "the second segment ended",
        }
    }

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
