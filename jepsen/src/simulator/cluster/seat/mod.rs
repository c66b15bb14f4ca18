//! [`Seat`]: one host of a cluster, and its faults. Those of its disk are in `disk`.

mod disk;

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::seams::sim::Drive;
use turmoil::Sim;

use super::super::fault::{healthy_latency, millis};
use super::super::host::Host;
use super::super::trace::Trace;
use super::links::Links;
use super::reached::Reached;
use crate::differential::dice::Dice;

/// Time between two faults of one host in a cluster of three hosts, in milliseconds: at least the first number, and
/// less than the second. The other pairs in this file are read in the same way.
const QUIET_MILLIS: (u64, u64) = (200, 3_500);
/// How long a node stays down, in milliseconds.
const DOWN_MILLIS: (u64, u64) = (1, 1_200);
/// How long a sync takes on a slow disk, in milliseconds.
const SLOW_SYNC_MILLIS: (u64, u64) = (10, 250);
/// How long a sync takes on a disk that hangs, in milliseconds.
const HUNG_SYNC_MILLIS: (u64, u64) = (1_500, 4_000);
/// A freeze of the drive crashes the node at the moment at which a sync begins. The seed chooses one of the next
/// `FREEZE_SYNCS` syncs.
const FREEZE_SYNCS: u64 = 80;
/// A freeze that is set before a node starts happens at one of its first `FREEZE_SYNCS_AT_START` syncs.
const FREEZE_SYNCS_AT_START: u64 = 25;
/// How long a host is suspended, in milliseconds. The times are longer than one second, so that the keeper of leases
/// notices the gap and extends all leases by it. It would not notice a shorter suspension. In reality that does no
/// harm, because the same time passes for the clients. In the simulator only the host's clock leaps, so leases would
/// end too early.
const SUSPENDED_MILLIS: (u64, u64) = (1_500, 4_000);
/// How long a process stands still, in milliseconds.
const STILL_MILLIS: (u64, u64) = (100, 3_000);
/// The wall time is set forward or back by at most a day.
const STEP_NANOS_MAX: i64 = 86_400_000_000_000;

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
    /// The time between two faults, in milliseconds.
    quiet: (u64, u64),
    phase: Phase,
    life: u64,
    /// The least capacity of the full disk so far.
    capacity: u64,
    /// Whether the node may refuse writes or end, because of its disk.
    is_excused: bool,
    /// An earlier copy of the disk, and how many times the node had been started when the copy was made.
    copy: Option<(Drive, u64)>,
    /// Whether the disk is such a copy. The cluster has to refuse it.
    is_old: bool,
    /// Whether the cluster has refused the old copy, or the node has refused a disk with wrong bits.
    is_refused: bool,
    /// When the disk was last emptied at a start. A disk that was lost by [`Self::lose_disk`] does not count.
    emptied: Duration,
    /// Whether bits of the disk have flipped. The node may refuse to start, and then the disk is emptied.
    is_rotten: bool,
}

impl Seat {
    /// A seat for `host`. The seed decides its faults. The time between two of them is `calmness` times as long as for
    /// a host in a cluster of three hosts.
    pub fn new(host: Host, calmness: u64, seed: u64, trace: &Trace, reached: &Reached) -> Self {
        let mut dice = Dice::new(seed ^ 0x5ea7);
        let quiet = (QUIET_MILLIS.0 * calmness, QUIET_MILLIS.1 * calmness);
        let phase = Phase::Up { until: millis(&mut dice, quiet) };
        let life = host.drive().life();
        let (trace, reached) = (trace.clone(), reached.clone());
        host.drive().set_latency(healthy_latency(&mut dice));
        listen(&host, &trace);
        Seat {
            host,
            trace,
            reached,
            dice,
            quiet,
            phase,
            life,
            capacity: u64::MAX,
            is_excused: false,
            copy: None,
            is_old: false,
            is_refused: false,
            emptied: Duration::ZERO,
            is_rotten: false,
        }
    }

    /// When the disk was last emptied at a start. Zero if it never was. A disk that was lost by [`Self::lose_disk`]
    /// does not count.
    pub fn emptied(&self) -> Duration {
        self.emptied
    }

    /// Whether the disk is an old copy, or one of its bits has flipped, or it was refused. An emptied disk is none of
    /// these.
    pub fn is_ill(&self) -> bool {
        self.is_old || self.is_rotten || self.is_refused
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

    /// Called after each step of the simulation. Once `is_calm`, faults end and none begins. A node that is down is
    /// started only if `may_empty`, because a start may empty its disk.
    pub fn step(
        &mut self,
        sim: &mut Sim<'_>,
        links: &mut Links,
        peers: &[&'static str],
        now: Duration,
        (is_calm, may_empty): (bool, bool),
    ) {
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
            } else if self.is_rotten {
                self.count("rot_refused");
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
            Phase::Down { until } if now >= until && may_empty => self.bounce(sim, links, now, is_calm),
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

    /// Takes the power from the host: unsynced bytes are lost, and nobody hears that its connections ended. If the node
    /// is down already, this does nothing.
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

    /// Lets the process stand still, as SIGSTOP does.
    fn stand_still(&mut self, now: Duration) {
        let by = millis(&mut self.dice, STILL_MILLIS);
        self.line(&format!("the process stands still for {by:?}"));
        self.count("stood_still");
        self.host.gate().shut();
        self.phase = Phase::Still { until: now + by };
    }

    fn go_on(&mut self, now: Duration) {
        self.phase = Phase::Up { until: now + millis(&mut self.dice, self.quiet) };
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
            self.is_rotten = false;
            self.host.clean();
            self.emptied = now;
            self.life = self.host.drive().life();
        }
        self.host.drive().clear_faults();
        self.host.drive().set_capacity(None);
        self.host.set_may_fail(self.is_rotten);
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
pub(super) fn listen(host: &Host, trace: &Trace) {
    let (heard, name) = (trace.clone(), host.name);
    host.drive().set_trace(Some(Arc::new(move |line: &str| heard.line(&format!("disk {name} {line}")))));
}
