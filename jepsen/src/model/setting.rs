//! [`Setting`]: how large the modelled world is, and what can go wrong in it.

use super::event::Event;
use super::rule::Rule;

/// How many loglets a chain can name: the first one and two successors.
pub const LOGLETS: usize = 3;
/// How many offsets of a loglet can be given out.
pub const OFFSETS: usize = 2;
/// How many drivers can reconfigure the log.
pub const DRIVERS: usize = 2;

/// A setting of the model. `stateright` visits every world that it can lead to. The numbers of faults count for all
/// units or loglets together.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How many units each loglet has.
    pub units: u8,
    /// How many units have to hold an append before it is acknowledged.
    pub write_quorum: u8,
    /// How many values clients append.
    pub values: u8,
    /// How many reconfigurations can succeed.
    pub reconfigurations: u8,
    /// For each driver: how often it can begin. To begin again counts too.
    pub attempts: [u8; DRIVERS],
    /// How many tail checks can begin.
    pub tail_checks: u8,
    /// How many times a unit can lose its disk.
    pub wipes: u8,
    /// How many times the disk of a unit can be copied, to be put back later.
    pub restores: u8,
    /// How many times a unit can crash.
    pub crashes: u8,
    /// How many times a sequencer can lose its state and start again, in a new process or within its process.
    pub sequencer_starts: u8,
    /// How many stores can be refused because a unit has no room.
    pub refusals: u8,
    /// Whether ended segments can be trimmed, and then dropped by units.
    pub trims: bool,
    /// Whether stores carry the known tail, so that units may skip cells.
    pub known_tails: bool,
    /// The events that must happen in at least one execution.
    pub events: Vec<Event>,
    /// The rule that is left out; `None` if all rules hold.
    pub without: Option<Rule>,
}

impl Setting {
    /// Three units, a write quorum of two, two values, and one driver that reconfigures once. Only messages go wrong:
    /// they can be lost, repeated and late in every setting.
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

    /// How many answers of sealed units a driver needs to compute the end of a loglet.
    pub(super) fn seal_quorum(&self) -> u8 {
        let quorum = self.units - self.write_quorum + 1;
        if self.holds(Rule::SealMeetsWrites) { quorum } else { quorum - 1 }
    }

    /// How many answers of unsealed units a tail check needs.
    pub(super) fn tail_quorum(&self) -> u8 {
        if !self.holds(Rule::TailCheckAsksQuorum) {
            return 1;
        }
        let seal = self.units - self.write_quorum + 1;
        if self.holds(Rule::TailCheckMeetsSeals) { seal.max(self.write_quorum) } else { seal }
    }
}
