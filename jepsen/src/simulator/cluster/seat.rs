//! [`Seat`]: one host of a cluster, and its faults.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::seams::sim::{Drive, Fault, Latency};
use turmoil::Sim;

use super::super::fault::{NEVER, healthy_latency, millis};
use super::super::host::{Host, RESERVE_BYTES};
use super::super::trace::Trace;
use super::links::Links;
use super::reached::Reached;
use crate::differential::dice::Dice;

/// Time between two faults of a host, in milliseconds: at least the first number, and less than the second. The other
/// pairs in this file are read in the same way.
const QUIET_MILLIS: (u64, u64) = (200, 3_500);
/// How long a node stays down, in milliseconds.
const DOWN_MILLIS: (u64, u64) = (1, 1_200);
/// How long a disk is full or slow, or fails, in milliseconds.
const BAD_DISK_MILLIS: (u64, u64) = (50, 1_500);
/// How long a sync takes on a slow disk, in milliseconds.
const SLOW_SYNC_MILLIS: (u64, u64) = (10, 250);
/// How long a sync takes on a disk that hangs, in milliseconds.
const HUNG_SYNC_MILLIS: (u64, u64) = (1_500, 4_000);
/// A freeze of the drive crashes the node at the moment at which a sync begins. The seed chooses one of the next
/// `FREEZE_SYNCS` syncs.
const FREEZE_SYNCS: u64 = 80;
/// A freeze that is set before a node starts happens at one of its first `FREEZE_SYNCS_AT_START` syncs.
const FREEZE_SYNCS_AT_START: u64 = 25;
/// When a disk is set to fail, the first call that fails is one of the next `CALLS_MAX` calls of that kind.
const CALLS_MAX: u64 = 20;
/// How long a host is suspended, in milliseconds. The times are longer than one second, so that the keeper of leases
/// notices the gap and extends all leases by it. It would not notice a shorter suspension. In reality that does no
/// harm, because the same time passes for the clients. In the simulator only the host's clock leaps, so leases would
/// end too early.
const SUSPENDED_MILLIS: (u64, u64) = (1_500, 4_000);
/// How long a process stands still, in milliseconds.
const STILL_MILLIS: (u64, u64) = (100, 3_000);
/// The wall time is set forward or back by at most a day.
const STEP_NANOS_MAX: i64 = 86_400_000_000_000;
/// The files whose calls fail: the journal's, or the local store's.
const FAILING: [&str; 2] = ["journal/", "store.redb"];

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The node runs, until the next fault.
    Up { until: Duration },
    /// Calls of the disk fail, or will fail soon.
    Failing { until: Duration },
    /// The disk is full.
    Full { until: Duration, room_left: u64 },
    /// The disk is slow or hangs.
    Slow { until: Duration },
    /// Reads of the disk fail, or will fail soon.
    Unreadable { until: Duration },
    /// The process stands still.
    Still { until: Duration },
    /// The node was told to stop.
    Stopping,
    /// The node is down.
    Down { until: Duration },
}

/// One host of a cluster.
#[derive(Debug)]
pub struct Seat {
    /// The node's host.
    pub host: Host,
    trace: Trace,
    reached: Reached,
    dice: Dice,
    phase: Phase,
    life: u64,
    /// The least capacity of the full disk so far.
    capacity: u64,
    /// Whether the node may refuse writes or end, because of its disk.
    is_excused: bool,
    /// An earlier copy of the disk, and how often a node was started until it was made.
    copy: Option<(Drive, u64)>,
    /// Whether the disk is such a copy. The cluster has to refuse it.
    is_old: bool,
    /// Whether it has refused it.
    is_refused: bool,
}

impl Seat {
    /// A seat for `host`. The seed decides its faults.
    pub fn new(host: Host, seed: u64, trace: &Trace, reached: &Reached) -> Self {
        let mut dice = Dice::new(seed ^ 0x5ea7);
        let phase = Phase::Up { until: millis(&mut dice, QUIET_MILLIS) };
        let life = host.drive().life();
        let (trace, reached) = (trace.clone(), reached.clone());
        host.drive().set_latency(healthy_latency(&mut dice));
        listen(&host, &trace);
        Seat {
            host,
            trace,
            reached,
            dice,
            phase,
            life,
            capacity: u64::MAX,
            is_excused: false,
            copy: None,
            is_old: false,
            is_refused: false,
        }
    }

    /// Whether the node may refuse writes or end, because of its disk.
    pub fn is_excused(&self) -> bool {
        self.is_excused
    }

    fn line(&self, what: &str) {
        self.trace.line(&format!("fault {}: {what}", self.host.name));
    }

    fn count(&self, what: &'static str) {
        self.reached.count(what);
    }

    /// Called after each step of the simulation. Once `is_calm`, faults end and none begins.
    pub fn step(&mut self, sim: &mut Sim<'_>, links: &mut Links, peers: &[&'static str], now: Duration, is_calm: bool) {
        let is_over = |until: Duration| now >= until || is_calm;
        let is_up = !matches!(self.phase, Phase::Stopping | Phase::Down { .. });
        if is_up && self.host.is_unused() {
            return;
        }
        if self.host.drive().life() != self.life {
            self.count("freeze");
            self.crash(sim, now, "the drive froze");
        } else if is_up && !sim.is_host_running(self.host.name) {
            self.line("the node has ended by itself");
            if self.is_old {
                self.count("old_copy_refused");
                self.is_refused = true;
            } else if self.is_excused {
                self.count("self_ended");
            }
            self.host.drive().crash();
            self.crash(sim, now, "it has ended");
        }
        match self.phase {
            Phase::Up { until } if now >= until && !is_calm => self.strike(sim, links, peers, now),
            Phase::Failing { until } if is_over(until) => self.end_failing(sim, now),
            Phase::Full { until, .. } if is_over(until) => {
                self.line("there is room again");
                self.host.drive().set_capacity(None);
                self.go_on(now);
            }
            Phase::Full { room_left, .. } => {
                // Take away the room that the node frees, so that the disk stays full.
                self.capacity = self.capacity.min(self.host.drive().used() + room_left);
                self.host.drive().set_capacity(Some(self.capacity));
            }
            Phase::Slow { until } if is_over(until) => {
                self.line("the disk is fast again");
                self.host.drive().set_latency(healthy_latency(&mut self.dice));
                self.go_on(now);
            }
            Phase::Unreadable { until } if is_over(until) => {
                self.line("the disk can be read again");
                self.host.drive().clear_faults();
                self.go_on(now);
            }
            Phase::Still { until } if is_over(until) => {
                self.line("the process goes on");
                self.host.gate().open();
                self.go_on(now);
            }
            Phase::Stopping if !sim.is_host_running(self.host.name) => {
                self.line("the node has stopped");
                sim.crash(self.host.name);
                self.go_down(now);
            }
            Phase::Down { until } if now >= until => self.bounce(sim, links, now, is_calm),
            _ => {}
        }
    }

    fn strike(&mut self, sim: &mut Sim<'_>, links: &mut Links, peers: &[&'static str], now: Duration) {
        match self.dice.below(24) {
            0..3 => {
                self.count("kill");
                self.host.drive().crash();
                self.crash(sim, now, "kill");
            }
            3..5 => self.cut_power(sim, links, now),
            5..8 => {
                let syncs = 1 + self.dice.below(FREEZE_SYNCS);
                self.line(&format!("freeze in {syncs} syncs"));
                self.host.drive().freeze_at_sync(syncs);
                self.go_on(now);
            }
            8..10 => self.stop(),
            10 => self.leap(now),
            11..13 => self.fail_disk(now),
            13 => self.fill_disk(now),
            14..16 => self.slow_disk(now, "slow_disk", SLOW_SYNC_MILLIS),
            16 => self.slow_disk(now, "hung_disk", HUNG_SYNC_MILLIS),
            17..20 => self.stand_still(now),
            20 => self.fail_reads(now),
            _ => {
                links.isolate(sim, self.host.name, peers, now);
                self.go_on(now);
            }
        }
    }

    /// Replaces the host's disk by an empty one.
    pub fn lose_disk(&mut self, sim: &mut Sim<'_>, now: Duration) {
        self.count("disk_lost");
        self.host.drive().wipe();
        self.crash(sim, now, "its disk is lost");
    }

    /// Copies the disk, as a backup of the whole machine does.
    pub fn copy_disk(&mut self) {
        self.line("its disk is copied");
        self.copy = Some((self.host.drive().copy(self.dice.roll()), self.host.boots()));
    }

    /// Puts the copy into the host, in the place of its disk. Returns false and does nothing if the node has not served
    /// after a later start than those that the copy knows. By that start the others notice that the copy is old.
    pub fn restore_copy(&mut self, sim: &mut Sim<'_>, now: Duration) -> bool {
        let Some((copy, _)) = self.copy.take_if(|(_, boots)| self.host.served() > *boots) else { return false };
        self.count("old_copy_restored");
        self.host.drive().crash();
        self.host.replace_drive(copy);
        listen(&self.host, &self.trace);
        self.is_old = true;
        self.crash(sim, now, "an old copy of its disk takes the place of the disk");
        true
    }

    /// Takes the power from the host: unsynced bytes are lost, and nobody hears that its connections ended.
    pub fn cut_power(&mut self, sim: &mut Sim<'_>, links: &mut Links, now: Duration) {
        if matches!(self.phase, Phase::Down { .. }) {
            return;
        }
        self.count("power_cut");
        links.darken(sim, self.host.name);
        self.host.drive().crash();
        self.crash(sim, now, "power cut");
    }

    fn stop(&mut self) {
        self.line("stop");
        self.count("stop");
        self.host.stop();
        self.phase = Phase::Stopping;
    }

    /// Makes the host's clock leap as after a suspension of the host, or sets its wall time forward or back.
    fn leap(&mut self, now: Duration) {
        self.count("leap");
        let by = millis(&mut self.dice, SUSPENDED_MILLIS);
        let step = self.dice.below_signed(2 * STEP_NANOS_MAX) - STEP_NANOS_MAX;
        if let Some(clock) = self.host.clock() {
            if self.dice.chance(50) {
                self.line(&format!("its clock leaps by {by:?}"));
                clock.suspend(by);
            } else {
                self.line(&format!("its wall time leaps by {step} ns"));
                clock.step_wall_nanos(step);
            }
        }
        self.go_on(now);
    }

    /// Until the next start, the node may refuse writes, and it may end. Also cancels a freeze that was set on the
    /// drive, so that the drive does not freeze while its disk fails or is full.
    fn excuse(&mut self) {
        self.host.drive().freeze_at_sync(NEVER);
        self.host.set_may_fail(true);
        self.is_excused = true;
    }

    fn fail_disk(&mut self, now: Duration) {
        let path = (*self.dice.pick(&FAILING)).to_owned();
        let from = 1 + self.dice.below(CALLS_MAX);
        let fault = if self.dice.chance(50) { Fault::Write { path, from } } else { Fault::Sync { path, from } };
        self.line(&format!("{fault:?}"));
        self.count("disk_error");
        self.excuse();
        self.host.drive().set_fault(fault);
        self.phase = Phase::Failing { until: now + millis(&mut self.dice, BAD_DISK_MILLIS) };
    }

    /// Ends a node whose disk fails: stops its process, or crashes its machine. After a stop the next process still
    /// reads from the page cache what the failed sync left there. After a crash it reads only what is on the disk.
    fn end_failing(&mut self, sim: &mut Sim<'_>, now: Duration) {
        if self.dice.chance(70) {
            self.stop();
        } else {
            self.host.drive().crash();
            self.crash(sim, now, "after disk errors");
        }
    }

    /// Lets reads fail for a while. The node may go on, or end.
    fn fail_reads(&mut self, now: Duration) {
        let path = (*self.dice.pick(&FAILING)).to_owned();
        let from = 1 + self.dice.below(CALLS_MAX);
        let fault = Fault::Read { path, from };
        self.line(&format!("{fault:?}"));
        self.count("read_error");
        self.excuse();
        self.host.drive().set_fault(fault);
        self.phase = Phase::Unreadable { until: now + millis(&mut self.dice, BAD_DISK_MILLIS) };
    }

    /// Lets the process stand still, as SIGSTOP does.
    fn stand_still(&mut self, now: Duration) {
        let by = millis(&mut self.dice, STILL_MILLIS);
        self.line(&format!("the process stands still for {by:?}"));
        self.count("stood_still");
        self.host.gate().shut();
        self.phase = Phase::Still { until: now + by };
    }

    fn fill_disk(&mut self, now: Duration) {
        let room_left = self.dice.below(RESERVE_BYTES);
        self.line(&format!("{room_left} bytes of room"));
        self.count("full_disk");
        self.excuse();
        self.capacity = u64::MAX;
        self.phase = Phase::Full { until: now + millis(&mut self.dice, BAD_DISK_MILLIS), room_left };
    }

    fn slow_disk(&mut self, now: Duration, what: &'static str, sync_millis: (u64, u64)) {
        let sync = millis(&mut self.dice, sync_millis);
        self.line(&format!("a sync takes {sync:?}"));
        self.count(what);
        self.host.drive().set_latency(Latency { read: Duration::ZERO, write: Duration::ZERO, sync });
        self.phase = Phase::Slow { until: now + millis(&mut self.dice, BAD_DISK_MILLIS) };
    }

    fn go_on(&mut self, now: Duration) {
        self.phase = Phase::Up { until: now + millis(&mut self.dice, QUIET_MILLIS) };
    }

    /// Crashes the node. The caller has crashed the drive before, because otherwise the node's destructors would still
    /// sync.
    fn crash(&mut self, sim: &mut Sim<'_>, now: Duration, why: &str) {
        self.line(why);
        self.life = self.host.drive().life();
        sim.crash(self.host.name);
        self.host.gate().reset();
        self.go_down(now);
    }

    fn go_down(&mut self, now: Duration) {
        self.phase = Phase::Down { until: now + millis(&mut self.dice, DOWN_MILLIS) };
    }

    fn bounce(&mut self, sim: &mut Sim<'_>, links: &mut Links, now: Duration, is_calm: bool) {
        links.lighten(sim, self.host.name, now);
        if !self.host.is_member() || std::mem::take(&mut self.is_refused) {
            self.line("its member was removed, or its disk was refused: the disk is emptied");
            self.is_old = false;
            self.host.clean();
            self.life = self.host.drive().life();
        }
        self.host.drive().clear_faults();
        self.host.drive().set_capacity(None);
        self.host.set_may_fail(false);
        self.is_excused = false;
        self.host.drive().set_latency(healthy_latency(&mut self.dice));
        if !is_calm && self.dice.chance(25) {
            let syncs = 1 + self.dice.below(FREEZE_SYNCS_AT_START);
            self.host.drive().freeze_at_sync(syncs);
        }
        self.trace.line(&format!("bounce {}", self.host.name));
        sim.bounce(self.host.name);
        self.go_on(now);
    }
}

/// Writes the calls of the host's disk into the trace.
fn listen(host: &Host, trace: &Trace) {
    let (heard, name) = (trace.clone(), host.name);
    host.drive().set_trace(Some(Arc::new(move |line: &str| heard.line(&format!("disk {name} {line}")))));
}
