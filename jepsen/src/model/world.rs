//! [`World`]: everything that the protocol remembers, at one moment.

use super::setting::{DRIVERS, LOGLETS, OFFSETS, Setting};

/// A value that a client appends; numbered from 1 on.
pub(super) type Value = u8;

/// A loglet on a unit, and what others remember of the unit's answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitLog {
    /// The params of the loglet name the identity that this unit has now.
    pub is_member: bool,
    /// The cells that the unit holds; 0 for a cell that it does not hold.
    pub cells: [Value; OFFSETS],
    /// The unit's local tail.
    pub tail: u8,
    pub is_sealed: bool,
    /// The seal is not on the disk yet.
    pub is_seal_volatile: bool,
    pub is_dropped: bool,
    /// The highest tail that the unit told as unsealed.
    pub told: u8,
    /// The highest tail that the unit told at all.
    pub heard: u8,
    /// Somebody was told that the unit is sealed.
    pub is_heard_sealed: bool,
    /// What each driver was answered to its seal: the tail and 1; 0 if it was not answered.
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
    /// What the tail check on its way was answered: the tail and 1; 0 if it was not answered.
    pub tail_answer: u8,
}

/// A store that the sequencer of a loglet sent. It may reach any unit at any time, any number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Store {
    pub offset: u8,
    pub value: Value,
    /// 0 is the incarnation that the params name.
    pub incarnation: u8,
}

/// The sequencer of a loglet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sequencer {
    pub next: u8,
    pub incarnation: u8,
    /// What was sent, sorted.
    pub sent: Vec<Store>,
}

/// Where a value is, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Not proposed, or known not to be done.
    Free,
    /// Proposed to a loglet, at an offset.
    Sent(u8, u8),
    /// Known to be done.
    Done,
}

/// A driver of reconfigurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    Idle,
    /// It read the chain, in which this loglet was open, and asks its units to seal.
    Sealing(u8),
    /// It computed the end of the loglet, and copies cells below it.
    Repairing(u8, u8),
}

/// The tail check on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TailCheck {
    None,
    Asking {
        /// The loglet that is open in the chain as the reader knows it.
        loglet: u8,
        /// The position after the last append that was acknowledged when the check began.
        floor: u8,
    },
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub units: Vec<Unit>,
    pub sequencers: [Sequencer; LOGLETS],
    /// The ends of the loglets before the open one, in the register.
    pub ends: [u8; LOGLETS],
    /// The open loglet, in the register.
    pub open: u8,
    pub trimmed: [bool; LOGLETS],
    pub values: Vec<Place>,
    pub drivers: [Driver; DRIVERS],
    pub check: TailCheck,
    /// The highest tail that a check of each loglet returned.
    pub returned: [u8; LOGLETS],
    /// A check returned a tail below an append that was acknowledged before it began.
    pub was_stale: bool,
    /// What can still happen.
    pub attempts: [u8; DRIVERS],
    pub tail_checks: u8,
    pub wipes: u8,
    pub restores: u8,
    pub crashes: u8,
    pub sequencer_starts: u8,
    pub refusals: u8,
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
            attempts: setting.attempts,
            tail_checks: setting.tail_checks,
            wipes: setting.wipes,
            restores: setting.restores,
            crashes: setting.crashes,
            sequencer_starts: setting.sequencer_starts,
            refusals: setting.refusals,
        }
    }

    /// The units' states of a loglet.
    pub(super) fn logs(&self, loglet: usize) -> impl Iterator<Item = &UnitLog> {
        self.units.iter().map(move |unit| &unit.logs[loglet])
    }

    /// The known tail of a loglet: what a write quorum told as its unsealed tails.
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

    /// The value at an offset, by any unit that holds the cell.
    pub(super) fn value(&self, loglet: usize, offset: usize) -> Option<Value> {
        self.logs(loglet).map(|log| log.cells[offset]).find(|value| *value != 0)
    }
}
