//! [`Faults`]: what goes wrong in a run, and when. Driven between two steps of the simulation.

use std::time::Duration;

use naxos_proto::seams::sim::Latency;
use turmoil::Sim;

use super::host::Host;
use super::trace::Trace;
use crate::differential::dice::Dice;

/// The hosts' names.
pub const NODE: &str = "node";
/// The host of all clients.
pub const CLIENT: &str = "client";
/// Between two faults.
const QUIET_MILLIS: (u64, u64) = (80, 700);
/// A node stays down for.
const DOWN_MILLIS: (u64, u64) = (1, 150);
/// A partition lasts for.
const CUT_MILLIS: (u64, u64) = (20, 500);
/// Syncs until the drive freezes by itself, under load.
const FREEZE_SYNCS: u64 = 60;
/// The same, from the start of a node on: recovery meets it.
const FREEZE_SYNCS_AT_START: u64 = 25;
/// No run has so many syncs.
const NEVER: u64 = u64::MAX / 2;

enum Phase {
    /// The node runs until the next fault.
    Up { until: Duration },
    /// The network is cut.
    Cut { until: Duration },
    /// The node was told to end.
    Stopping,
    /// The node is gone.
    Down { until: Duration },
}

/// See the module.
pub struct Faults {
    host: Host,
    trace: Trace,
    dice: Dice,
    phase: Phase,
    life: u64,
    /// No faults from here on.
    calm: Duration,
    is_calm: bool,
    is_cut: bool,
    /// Crashes of the node.
    pub crashes: u64,
    /// Crashes at a sync that the drive chose.
    pub freezes: u64,
    /// Ends as by SIGTERM.
    pub stops: u64,
    /// Partitions that no crash followed.
    pub cuts: u64,
}

impl Faults {
    /// The faults of a seed, up to `calm`.
    pub fn new(host: Host, trace: Trace, seed: u64, calm: Duration) -> Self {
        let mut dice = Dice::new(seed ^ 0xfa17);
        let until = millis(&mut dice, QUIET_MILLIS);
        let (phase, life) = (Phase::Up { until }, host.drive.life());
        let mut faults = Faults {
            host,
            trace,
            dice,
            phase,
            life,
            calm,
            is_calm: false,
            is_cut: false,
            crashes: 0,
            freezes: 0,
            stops: 0,
            cuts: 0,
        };
        faults.draw_latency();
        // The very first start may be cut short too.
        faults.perhaps_freeze_soon();
        faults
    }

    /// After each step of the simulation.
    pub fn step(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        if now >= self.calm && !self.is_calm {
            self.is_calm = true;
            self.host.drive.freeze_at_sync(NEVER);
        }
        if self.host.drive.life() != self.life {
            self.freezes += 1;
            self.crash(sim, now, "frozen");
            return;
        }
        match self.phase {
            Phase::Up { until } if now >= until && !self.is_calm => self.strike(sim, now),
            Phase::Cut { until } if now >= until => {
                self.repair(sim);
                self.phase = Phase::Up { until: now + millis(&mut self.dice, QUIET_MILLIS) };
            }
            Phase::Stopping if !sim.is_host_running(NODE) => self.go_down(now),
            Phase::Down { until } if now >= until => self.bounce(sim, now),
            _ => {}
        }
    }

    fn strike(&mut self, sim: &mut Sim<'_>, now: Duration) {
        match self.dice.below(10) {
            0..3 => {
                self.host.drive.crash();
                self.crash(sim, now, "kill");
            }
            3..5 => {
                // Power is cut: peers hear nothing, not even the end of a connection.
                self.cut(sim);
                self.host.drive.crash();
                self.crash(sim, now, "power");
            }
            5..8 => {
                let syncs = 1 + self.dice.below(FREEZE_SYNCS);
                self.trace.line(&format!("fault freeze in {syncs} syncs"));
                self.host.drive.freeze_at_sync(syncs);
                self.phase = Phase::Up { until: now + millis(&mut self.dice, QUIET_MILLIS) };
            }
            8 => {
                self.trace.line("fault partition");
                self.cuts += 1;
                self.cut(sim);
                self.phase = Phase::Cut { until: now + millis(&mut self.dice, CUT_MILLIS) };
            }
            _ => {
                self.trace.line("fault stop");
                self.stops += 1;
                self.host.stop();
                self.phase = Phase::Stopping;
            }
        }
    }

    /// The drive is frozen already: else destructors would sync.
    fn crash(&mut self, sim: &mut Sim<'_>, now: Duration, why: &str) {
        self.trace.line(&format!("fault crash: {why}"));
        self.crashes += 1;
        self.life = self.host.drive.life();
        sim.crash(NODE);
        self.go_down(now);
    }

    fn go_down(&mut self, now: Duration) {
        self.phase = Phase::Down { until: now + millis(&mut self.dice, DOWN_MILLIS) };
    }

    fn bounce(&mut self, sim: &mut Sim<'_>, now: Duration) {
        self.repair(sim);
        self.draw_latency();
        self.perhaps_freeze_soon();
        self.trace.line("bounce");
        sim.bounce(NODE);
        self.phase = Phase::Up { until: now + millis(&mut self.dice, QUIET_MILLIS) };
    }

    fn perhaps_freeze_soon(&mut self) {
        if !self.is_calm && self.dice.chance(40) {
            let syncs = 1 + self.dice.below(FREEZE_SYNCS_AT_START);
            self.host.drive.freeze_at_sync(syncs);
        }
    }

    /// The grain of simulated time is 1 ms: zero and one to three are all there is of a good disk.
    fn draw_latency(&mut self) {
        let mut draw = |limit| Duration::from_millis(self.dice.below(limit));
        let (read, write) = (draw(2), Duration::ZERO);
        let sync = Duration::from_millis(1) + draw(3);
        self.host.drive.set_latency(Latency { read, write, sync });
    }

    fn cut(&mut self, sim: &mut Sim<'_>) {
        sim.partition(NODE, CLIENT);
        self.is_cut = true;
    }

    fn repair(&mut self, sim: &mut Sim<'_>) {
        if std::mem::take(&mut self.is_cut) {
            self.trace.line("repair");
            sim.repair(NODE, CLIENT);
        }
    }
}

fn millis(dice: &mut Dice, (least, most): (u64, u64)) -> Duration {
    Duration::from_millis(least + dice.below(most - least))
}
