//! [`Event`]: what a model has to reach, so that it is known to contain the executions that the rules are about.

/// Something that happens in some execution of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Two drivers computed different ends of one loglet.
    DifferentEnds,
    /// A segment ended although its sequencer had given out offsets at or above the end.
    EndBelowGrants,
    /// A driver repaired a cell, and the segment ended without it.
    RepairedBeyondEnd,
    /// A sequencer gave out offsets after its successor had given out some.
    TwoSequencers,
    /// A unit holds a later cell and skipped an earlier one.
    SkippedCell,
    /// A reader asked for the tail of a loglet that the chain had ended.
    StaleReader,
    /// A driver met a disk that was lost after it had answered.
    SourceLost,
    /// A segment that was the second one ended.
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
}
