//! [`Faults`]: decides which faults happen in a run, and when. The run calls it after each step of the simulation.

use std::time::Duration;

use naxos_proto::seams::sim::Latency;
use turmoil::Sim;

use super::host::Host;
use super::record::Shared;
use super::trace::Trace;
use crate::differential::dice::Dice;

/// The name of the node's host.
pub const NODE: &str = "node";
/// The name of the host that runs all clients.
pub const CLIENT: &str = "client";
/// Time between two faults, in milliseconds: at least the first number, and less than the second. The other pairs
/// in this file are read in the same way.
const QUIET_MILLIS: (u64, u64) = (80, 700);
/// The same for quiet runs, in which leases have time to end.
const QUIET_MILLIS_LONG: (u64, u64) = (300, 2_500);
/// How long a node stays down, in milliseconds.
const DOWN_MILLIS: (u64, u64) = (1, 150);
/// How long a partition lasts, in milliseconds.
const CUT_MILLIS: (u64, u64) = (20, 500);
/// A freeze of the drive crashes the node at the moment at which a sync begins. The seed chooses one of the next
/// `FREEZE_SYNCS` syncs.
const FREEZE_SYNCS: u64 = 60;
/// A freeze that is set before a node starts happens at one of its first `FREEZE_SYNCS_AT_START` syncs. The number is
/// small, so that the freeze may happen during recovery.
const FREEZE_SYNCS_AT_START: u64 = 25;
/// How long a host is suspended, in milliseconds. The times are longer than one second, so that the node notices the
/// gap and extends all leases by it. They are short enough for the leases to end within [`super::tenant::END_MAX`].
const SUSPENDED_MILLIS: (u64, u64) = (1_500, 4_000);
/// The wall time is set forward or back by at most a day.
const STEP_NANOS_MAX: i64 = 86_400_000_000_000;
/// A number of syncs that no run reaches.
pub(super) const NEVER: u64 = u64::MAX / 2;

pub(super) enum Phase {
    /// The node runs, until the next fault.
    Up { until: Duration },
    /// The disk is set to fail at a later call. If there are too few calls, none fails.
    Armed { until: Duration, in_store: bool },
    /// The disk returns errors.
    Sick { until: Duration, in_store: bool },
    /// The disk is full.
    Full { until: Duration },
    /// The network is partitioned.
    Cut { until: Duration },
    /// The node was told to stop.
    Stopping,
    /// The node is down.
    Down { until: Duration },
}

/// The faults of one run.
pub struct Faults {
    pub(super) host: Host,
    pub(super) trace: Trace,
    pub(super) record: Shared,
    pub(super) dice: Dice,
    pub(super) phase: Phase,
    life: u64,
    quiet: (u64, u64),
    /// When the node went down.
    gone: Duration,
    /// How many calls of the disk had failed when the last fault was set.
    pub(super) struck: u64,
    /// The capacity of a full disk in bytes.
    pub(super) room: u64,
    /// How many bytes were free when the disk was made full. While it is full, no more bytes than this are ever free.
    pub(super) room_left: u64,
    /// From this time on no new fault begins.
    calm: Duration,
    pub(super) is_calm: bool,
    is_cut: bool,
    /// Number of crashes of the node.
    pub crashes: u64,
    /// Number of crashes at a freeze of the drive.
    pub freezes: u64,
    /// Number of stops, as by SIGTERM.
    pub stops: u64,
    /// Number of partitions, without those that are part of a power cut.
    pub cuts: u64,
    /// Number of suspensions of the host and of steps of its wall time.
    pub leaps: u64,
    /// Number of faults in which the disk failed a call.
    pub disk_errors: u64,
    /// Number of times that the disk was made full.
    pub full_disks: u64,
    /// Number of times that the node ended by itself because its disk failed.
    pub self_ended: u64,
}

impl Faults {
    /// The faults of a seed. From the time `calm` on no new fault begins.
    pub fn new(host: Host, record: Shared, trace: Trace, seed: u64, calm: Duration) -> Self {
        let mut dice = Dice::new(seed ^ 0xfa17);
        let quiet = if dice.chance(25) { QUIET_MILLIS_LONG } else { QUIET_MILLIS };
        let until = millis(&mut dice, quiet);
        let (phase, life) = (Phase::Up { until }, host.drive().life());
        let mut faults = Faults {
            host,
            trace,
            record,
            dice,
            phase,
            life,
            quiet,
            gone: Duration::ZERO,
            struck: 0,
            room: 0,
            room_left: 0,
            calm,
            is_calm: false,
            is_cut: false,
            crashes: 0,
            freezes: 0,
            stops: 0,
            cuts: 0,
            leaps: 0,
            disk_errors: 0,
            full_disks: 0,
            self_ended: 0,
        };
        faults.host.drive().set_latency(healthy_latency(&mut faults.dice));
        // The very first start may be interrupted too.
        faults.perhaps_freeze_soon();
        faults
    }

    /// Called after each step of the simulation.
    pub fn step(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        if now >= self.calm && !self.is_calm {
            self.is_calm = true;
            self.host.drive().freeze_at_sync(NEVER);
            self.heal(now);
        }
        if self.host.drive().life() != self.life {
            self.freezes += 1;
            self.crash(sim, now, "frozen");
            return;
        }
        match self.phase {
            Phase::Cut { until } if now >= until => {
                self.repair(sim);
                self.go_on(now);
            }
            Phase::Up { .. } | Phase::Armed { .. } | Phase::Sick { .. } | Phase::Full { .. }
                if !sim.is_host_running(NODE) =>
            {
                self.trace.line("the node has ended by itself");
                self.self_ended += 1;
                self.go_down(now);
            }
            Phase::Up { until } if now >= until && !self.is_calm => self.strike(sim, now),
            Phase::Armed { .. } | Phase::Sick { .. } | Phase::Full { .. } => self.step_disk(sim, now),
            Phase::Stopping if !sim.is_host_running(NODE) => self.go_down(now),
            Phase::Down { until } if now >= until => self.bounce(sim, now),
            _ => {}
        }
    }

    fn strike(&mut self, sim: &mut Sim<'_>, now: Duration) {
        match self.dice.below(15) {
            0..3 => {
                self.host.drive().crash();
                self.crash(sim, now, "kill");
            }
            3..5 => {
                // After a power cut clients receive nothing, not even the end of their connections.
                self.cut(sim);
                self.host.drive().crash();
                self.crash(sim, now, "power");
            }
            5..8 => {
                let syncs = 1 + self.dice.below(FREEZE_SYNCS);
                self.trace.line(&format!("fault freeze in {syncs} syncs"));
                self.host.drive().freeze_at_sync(syncs);
                self.go_on(now);
            }
            8 => {
                self.trace.line("fault partition");
                self.cuts += 1;
                self.cut(sim);
                self.phase = Phase::Cut { until: now + millis(&mut self.dice, CUT_MILLIS) };
            }
            9 => self.stop(),
            10 => self.leap(now),
            11..14 => self.fail_disk(now),
            _ => self.fill_disk(now),
        }
    }

    pub(super) fn stop(&mut self) {
        self.trace.line("fault stop");
        self.stops += 1;
        self.host.stop();
        self.phase = Phase::Stopping;
    }

    /// Suspends the host, or sets its wall time forward or back.
    fn leap(&mut self, now: Duration) {
        self.leaps += 1;
        let (by, step) = (millis(&mut self.dice, SUSPENDED_MILLIS), self.dice.below_signed(2 * STEP_NANOS_MAX));
        if let Some(clock) = self.host.clock() {
            if self.dice.chance(50) {
                self.trace.line(&format!("fault suspend for {by:?}"));
                clock.suspend(by);
            } else {
                self.trace.line(&format!("fault wall time by {}", step - STEP_NANOS_MAX));
                clock.step_wall_nanos(step - STEP_NANOS_MAX);
            }
        }
        self.go_on(now);
    }

    pub(super) fn go_on(&mut self, now: Duration) {
        self.phase = Phase::Up { until: now + millis(&mut self.dice, self.quiet) };
    }

    /// Crashes the node. The caller has crashed the drive before, because otherwise the node's destructors would still
    /// sync.
    pub(super) fn crash(&mut self, sim: &mut Sim<'_>, now: Duration, why: &str) {
        self.trace.line(&format!("fault crash: {why}"));
        self.crashes += 1;
        self.life = self.host.drive().life();
        sim.crash(NODE);
        self.go_down(now);
    }

    pub(super) fn go_down(&mut self, now: Duration) {
        self.gone = now;
        self.record.borrow_mut().sick = None;
        self.phase = Phase::Down { until: now + millis(&mut self.dice, DOWN_MILLIS) };
    }

    fn bounce(&mut self, sim: &mut Sim<'_>, now: Duration) {
        self.repair(sim);
        self.renew_disk();
        self.record.borrow_mut().leases.restarted(self.gone, now);
        self.host.drive().set_latency(healthy_latency(&mut self.dice));
        self.perhaps_freeze_soon();
        self.trace.line("bounce");
        sim.bounce(NODE);
        self.go_on(now);
    }

    fn perhaps_freeze_soon(&mut self) {
        if !self.is_calm && self.dice.chance(40) {
            let syncs = 1 + self.dice.below(FREEZE_SYNCS_AT_START);
            self.host.drive().freeze_at_sync(syncs);
        }
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

pub(super) fn millis(dice: &mut Dice, (least, most): (u64, u64)) -> Duration {
    Duration::from_millis(least + dice.below(most - least))
}

/// Draws how long each call of a healthy disk takes. Simulated time is exact only to 1 ms, so these are whole
/// milliseconds: 0 or 1 for a read, 0 for a write, and 1 to 3 for a sync.
pub(super) fn healthy_latency(dice: &mut Dice) -> Latency {
    let mut draw = |limit| Duration::from_millis(dice.below(limit));
    let (read, write) = (draw(2), Duration::ZERO);
    let sync = Duration::from_millis(1) + draw(3);
    Latency { read, write, sync }
}
