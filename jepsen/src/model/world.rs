//! [`World`]: everything that the protocol remembers, at one moment.

use super::budget::{Budget, DRIVERS};
use super::setting::{LOGLETS, OFFSETS, Setting};

/// A value that a client appends: a number from 1 on. In a cell, 0 stands for no value.
pub(super) type Value = u8;

/// A loglet on a unit, and what others remember of the unit's answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitLog {
    /// Whether the params of the loglet name the identity that this unit has now.
    pub is_member: bool,
    /// The cells that the unit holds; 0 for a cell that it does not hold.
    pub cells: [Value; OFFSETS],
    /// The unit's local tail.
    pub tail: u8,
    pub is_sealed: bool,
    /// Whether the unit is sealed in memory only: the seal is not on its disk.
    pub is_seal_volatile: bool,
    pub is_dropped: bool,
    /// The offset, plus 1, of a cell that the unit holds in memory only: it is not on its disk. 0 for none.
    pub unsynced: u8,
    /// The highest tail that the unit told together with the news that it was not sealed. Every node hears it: the
    /// sequencer by the answer to a store, the others by the tails that the unit tells them.
    pub told: u8,
    /// The highest tail that the unit told, sealed or not.
    pub heard: u8,
    /// Whether the unit has told somebody that it is sealed.
    pub is_heard_sealed: bool,
    /// For each driver, the unit's answer to its seal: the tail plus 1, or 0 if the unit has not answered.
    pub answered: [u8; DRIVERS],
}

/// A copy of a unit's disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DiskCopy {
    pub cells: [[Value; OFFSETS]; LOGLETS],
    pub tails: [u8; LOGLETS],
    pub sealed: [bool; LOGLETS],
}

/// A unit. Units are interchangeable, so a world keeps them sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unit {
    pub logs: [UnitLog; LOGLETS],
    pub copy: Option<DiskCopy>,
    /// The unit's answer to the tail check that is under way: the tail plus 1, or 0 if the unit has not answered.
    pub tail_answer: u8,
}

/// A store that the sequencer of a loglet sent. It may reach any unit at any time, any number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Store {
    pub offset: u8,
    pub value: Value,
    /// The incarnation of the sequencer that sent the store. The params of the loglet name the incarnation 0.
    pub incarnation: u8,
}

/// The sequencer of a loglet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sequencer {
    pub next: u8,
    pub incarnation: u8,
    /// The stores that the sequencer sent, sorted.
    pub sent: Vec<Store>,
}

/// Where a value is, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The client has not proposed the value, or knows that the append was not done. It may propose it.
    Free,
    /// The client has proposed the value and does not know the outcome yet. The fields are the loglet and the offset.
    Sent(u8, u8),
    /// The client knows that the append is done.
    Done,
}

/// A driver of reconfigurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    Idle,
    /// The driver read the chain and asks the units of the open loglet to seal. The value is that loglet.
    Sealing(u8),
    /// The driver computed the end and copies the cells below it. The values are the loglet and its end.
    Repairing(u8, u8),
}

/// The tail check that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TailCheck {
    None,
    Asking {
        /// The loglet that is open in the newest chain that the reader knows.
        loglet: u8,
        /// The lowest position that the check may return, as it was when the check began. Every append that was
        /// acknowledged lies below this position. So does every append below a tail that an earlier check returned.
        floor: u8,
    },
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub units: Vec<Unit>,
    pub sequencers: [Sequencer; LOGLETS],
    /// From the register: the ends of the loglets before the open one, as offsets. 0 for the other loglets.
    pub ends: [u8; LOGLETS],
    /// From the register: the loglet that is open.
    pub open: u8,
    pub trimmed: [bool; LOGLETS],
    pub values: Vec<Place>,
    pub drivers: [Driver; DRIVERS],
    pub check: TailCheck,
    /// For each loglet: the highest tail that a check returned.
    pub returned: [u8; LOGLETS],
    /// Whether a check returned less than its floor ([`TailCheck::Asking`]).
    pub was_stale: bool,
    /// How often each thing can still happen.
    pub left: Budget,
}

impl World {
    pub(super) fn new(setting: &Setting) -> Self {
        let mut unit = Unit::default();
        unit.logs[0].is_member = true;
        Self {
            units: vec![unit; setting.units.into()],
            sequencers: Default::default(),
            ends: [0; LOGLETS],
            open: 0,
            trimmed: [false; LOGLETS],
            values: vec![Place::Free; setting.values.into()],
            drivers: [Driver::Idle; DRIVERS],
            check: TailCheck::None,
            returned: [0; LOGLETS],
            was_stale: false,
            left: setting.budget,
        }
    }

    /// The state of a loglet on each unit.
    pub(super) fn logs(&self, loglet: usize) -> impl Iterator<Item = &UnitLog> {
        self.units.iter().map(move |unit| &unit.logs[loglet])
    }

    /// The known tail of a loglet: the highest tail that a write quorum of units has told while they were not sealed.
    /// Each node concludes it from what the units told.
    pub(super) fn known(&self, setting: &Setting, loglet: usize) -> u8 {
        let mut told: Vec<u8> = self.logs(loglet).map(|log| log.told).collect();
        told.sort_unstable_by(|a, b| b.cmp(a));
        told[usize::from(setting.write_quorum) - 1]
    }

    /// The first position of a loglet.
    pub(super) fn start(&self, loglet: usize) -> u8 {
        self.ends[..loglet].iter().sum()
    }

    /// The end of a loglet in the chain; `None` while it is open.
    pub(super) fn end(&self, loglet: usize) -> Option<u8> {
        (loglet < self.open.into()).then(|| self.ends[loglet])
    }

    /// How many units of the loglet hold the cell.
    pub(super) fn holders(&self, loglet: usize, offset: usize) -> u8 {
        let held = self.logs(loglet).filter(|log| log.is_member && log.cells[offset] != 0).count();
        u8::try_from(held).expect("there are few units")
    }

    /// The value at an offset, from any unit that holds the cell.
    pub(super) fn value(&self, loglet: usize, offset: usize) -> Option<Value> {
        self.logs(loglet).map(|log| log.cells[offset]).find(|value| *value != 0)
    }
}
