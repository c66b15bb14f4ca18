//! [`Event`]: something that must happen in at least one execution of a model. This shows that the model contains the
//! executions that the rules are about.

/// Something that happens in some execution of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Two drivers computed different ends of one loglet.
    DifferentEnds,
    /// A segment ended although its sequencer had given out offsets at or above the end.
    EndBelowGrants,
    /// A driver repaired a cell, and then the segment ended below this cell.
    RepairedBeyondEnd,
    /// Two sequencers gave out offsets, each in its own loglet.
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
}
