//! [`Setting`]: how large the modelled world is, and what can go wrong in it.

use super::budget::Budget;
use super::event::Event;
use super::rule::Rule;

/// How many loglets a chain can name: the first one and two successors.
pub const LOGLETS: usize = 3;
/// How many offsets of a loglet can be given out.
pub const OFFSETS: usize = 2;

/// A setting of the model. `stateright` visits every world that it can lead to.
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
    /// How often each thing can happen in an execution.
    pub budget: Budget,
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
            budget: Budget { attempts: [1, 0], ..Budget::default() },
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

    /// The smallest size for which every set of that many units shares a unit with every write quorum.
    pub(super) fn meets_writes(&self) -> u8 {
        self.units - self.write_quorum + 1
    }

    /// How many units have to hold an acknowledged cell. Fewer may be enough once the segment has ended above the cell.
    pub(super) fn copies_wanted(&self, is_ended: bool) -> u8 {
        if is_ended { self.write_quorum.min(self.meets_writes()) } else { self.write_quorum }
    }

    /// How many answers of sealed units a driver needs to compute the end of a loglet.
    pub(super) fn seal_quorum(&self) -> u8 {
        if self.holds(Rule::SealMeetsWrites) { self.meets_writes() } else { self.meets_writes() - 1 }
    }

    /// How many answers of unsealed units a tail check needs.
    pub(super) fn tail_quorum(&self) -> u8 {
        if !self.holds(Rule::TailCheckAsksQuorum) {
            return 1;
        }
        let meets_writes = self.meets_writes();
        if self.holds(Rule::TailCheckMeetsSeals) { meets_writes.max(self.write_quorum) } else { meets_writes }
    }
}
