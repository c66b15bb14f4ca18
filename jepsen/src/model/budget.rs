//! [`Budget`]: how often each thing can happen.

/// How many drivers can reconfigure the log.
pub const DRIVERS: usize = 2;

/// How often each thing can happen, for all units or loglets together. A setting has the numbers for a whole execution; a
/// world has what is left of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// For each driver: how many times it can begin a reconfiguration. A repeated attempt counts too.
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
}
