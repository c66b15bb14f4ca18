//! [`Setting`]: how large the modelled world is, and what can go wrong in it.

use super::event::Event;
use super::rule::Rule;

/// Loglets that a chain can name: the first one and two successors.
pub const LOGLETS: usize = 3;
/// Offsets of a loglet that can be given out.
pub const OFFSETS: usize = 2;
/// Drivers of reconfigurations.
pub const DRIVERS: usize = 2;

/// A model: `stateright` visits every world that can come of it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Units of each loglet.
    pub units: u8,
    /// Units that have to hold an append before it is acknowledged.
    pub write_quorum: u8,
    /// Values that clients append.
    pub values: u8,
    /// Reconfigurations that can succeed.
    pub reconfigurations: u8,
    /// How often each driver can begin, which includes beginning again.
    pub attempts: [u8; DRIVERS],
    /// Tail checks that can begin.
    pub tail_checks: u8,
    /// Units that can lose their disk.
    pub wipes: u8,
    /// Copies of a unit's disk that can be made and put back later.
    pub restores: u8,
    /// Crashes of a unit.
    pub crashes: u8,
    /// Starts of a sequencer on its way, in a new process or within its process.
    pub sequencer_starts: u8,
    /// Stores that a unit can refuse for want of room.
    pub refusals: u8,
    /// Whether ended segments can be trimmed and dropped by units.
    pub trims: bool,
    /// Whether stores carry the known tail, so that units may skip cells.
    pub known_tails: bool,
    /// What has to happen in some execution.
    pub events: Vec<Event>,
    /// The rule that is left out.
    pub without: Option<Rule>,
}

impl Setting {
    /// Three units, two of which acknowledge; two values, one reconfiguration, nothing goes wrong but messages, which are
    /// lost, repeated and late in every setting.
    pub fn small() -> Self {
        Self {
            units: 3,
            write_quorum: 2,
            values: 2,
            reconfigurations: 1,
            attempts: [1, 0],
            tail_checks: 0,
            wipes: 0,
            restores: 0,
            crashes: 0,
            sequencer_starts: 0,
            refusals: 0,
            trims: false,
            known_tails: false,
            events: Vec::new(),
            without: None,
        }
    }

    /// The same setting without a rule.
    pub fn without(&self, rule: Rule) -> Self {
        Self { without: Some(rule), ..self.clone() }
    }

    pub(super) fn holds(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// Sealed answers that a seal needs.
    pub(super) fn seal_quorum(&self) -> u8 {
        let quorum = self.units - self.write_quorum + 1;
        if self.holds(Rule::SealMeetsWrites) { quorum } else { quorum - 1 }
    }

    /// Unsealed answers that a tail check needs.
    pub(super) fn tail_quorum(&self) -> u8 {
        if !self.holds(Rule::TailCheckAsksQuorum) {
            return 1;
        }
        let seal = self.units - self.write_quorum + 1;
        if self.holds(Rule::TailCheckMeetsSeals) { seal.max(self.write_quorum) } else { seal }
    }
}
