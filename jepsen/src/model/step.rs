//! [`Step`]: what can happen next in a world.

/// One step. A unit, a loglet, a driver or a value is named by its index in the world, and a store by its index in
/// `Sequencer::sent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The sequencer of a loglet gives the next offset to a value.
    Grant { loglet: usize, value: usize },
    /// A store arrives at a unit.
    Arrive { unit: usize, loglet: usize, store: usize },
    /// A driver reads the register and begins.
    Begin { driver: usize },
    /// A unit seals for a driver.
    Seal { driver: usize, unit: usize },
    /// A driver has enough answers and computes the end.
    Decide { driver: usize },
    /// A driver copies a cell to a unit.
    Repair { driver: usize, unit: usize, offset: usize },
    /// A driver installs the end and the successor by compare-and-swap.
    Install { driver: usize },
    /// A reader begins a tail check of the loglet that is open in the newest chain that it knows.
    BeginCheck { loglet: usize },
    /// A unit answers the tail check.
    AskTail { unit: usize },
    /// The tail check returns.
    EndCheck,
    /// A unit loses its disk.
    Wipe { unit: usize },
    /// Somebody copies a unit's disk.
    CopyDisk { unit: usize },
    /// The copy is put back.
    RestoreDisk { unit: usize },
    /// A unit crashes and starts.
    Crash { unit: usize },
    /// A sequencer loses its state and starts again.
    StartSequencer { loglet: usize },
    /// A unit has no room for the newest store of a loglet.
    Refuse { loglet: usize },
    /// An ended segment is trimmed.
    Trim { loglet: usize },
    /// A unit drops a trimmed loglet.
    Drop { unit: usize, loglet: usize },
}
