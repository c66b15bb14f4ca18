//! [`Faults`]: all faults of a run. The run calls it after each step of the simulation.

use std::time::Duration;

use naxos::node::probe::View;
use naxos_proto::chain::Segment;
use turmoil::Sim;

use super::super::fault::millis;
use super::super::trace::Trace;
use super::links::Links;
use super::reached::Reached;
use super::seat::Seat;
use crate::differential::dice::Dice;

/// Time until the power of all hosts fails at once, in milliseconds: at least the first number, and less than the
/// second. If it comes in the time without faults, at the end of a run, the power does not fail.
const BLACKOUT_MILLIS: (u64, u64) = (1_000, 10_000);
/// Time until one host loses its disk, in the same form. The cluster is founded by then.
const LOSS_MILLIS: (u64, u64) = (2_500, 12_000);

/// Time until a disk is copied, in the same form.
const COPY_MILLIS: (u64, u64) = (1_000, 4_000);
/// The shortest time from the copy until it takes the place of the disk, in the same form.
const RESTORE_MILLIS: (u64, u64) = (500, 2_500);

/// The hosts, the links, and the one power cut of all hosts.
#[derive(Debug)]
pub struct Faults {
    /// The hosts.
    pub seats: Vec<Seat>,
    links: Links,
    names: Vec<&'static str>,
    /// From this time on no fault begins.
    calm: Duration,
    blackout: Option<Duration>,
    /// When a host loses its disk, and which one.
    loss: Option<(Duration, usize)>,
    /// When the disk of a host is copied, when the copy takes the place of the disk, and which host it is.
    copy: Option<(Duration, Duration, usize)>,
    trace: Trace,
    reached: Reached,
}

impl Faults {
    /// The faults of a seed. From the time `calm` on no fault begins.
    pub fn new(seats: Vec<Seat>, links: Links, seed: u64, calm: Duration, trace: &Trace, reached: &Reached) -> Self {
        let names = seats.iter().map(|seat| seat.host.name).collect();
        let blackout = Some(millis(&mut Dice::new(seed ^ 0xb1ac), BLACKOUT_MILLIS));
        Faults {
            seats,
            links,
            names,
            calm,
            blackout,
            loss: None,
            copy: None,
            trace: trace.clone(),
            reached: reached.clone(),
        }
    }

    /// Lets one host lose its disk at a time that the seed chooses. If that is in the time without faults, at the end
    /// of the run, no disk is lost. This is so with about half of the seeds.
    pub fn lose_a_disk(&mut self, seed: u64) {
        let mut dice = Dice::new(seed ^ 0x1055);
        let loser = usize::try_from(dice.below(self.seats.len() as u64)).expect("few hosts");
        self.loss = Some((millis(&mut dice, LOSS_MILLIS), loser));
    }

    /// Lets an old copy take the place of a host's disk, at times that the seed chooses.
    pub fn restore_a_copy(&mut self, seed: u64) {
        let mut dice = Dice::new(seed ^ 0xc0b1);
        let host = usize::try_from(dice.below(self.seats.len() as u64)).expect("few hosts");
        let made = millis(&mut dice, COPY_MILLIS);
        self.copy = Some((made, made + millis(&mut dice, RESTORE_MILLIS), host));
    }

    /// Begins and ends faults.
    pub fn step(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        let is_calm = now >= self.calm;
        for seat in &mut self.seats {
            seat.step(sim, &mut self.links, &self.names, now, is_calm);
        }
        self.links.step(sim, now, is_calm);
        self.lose_disk(sim, now);
        self.restore_copy(sim, now);
        if self.blackout.is_some_and(|at| now >= at && !is_calm) {
            self.blackout = None;
            self.trace.line("fault: the power of all hosts fails");
            self.reached.count("blackout");
            for seat in &mut self.seats {
                seat.cut_power(sim, &mut self.links, now);
            }
        }
    }

    /// Takes its disk from one host, once in a run, as soon as each sealed segment has another copy.
    fn lose_disk(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let Some((at, loser)) = self.loss else { return };
        if now >= at && now < self.calm && self.have_copies(loser) {
            self.loss = None;
            self.seats[loser].lose_disk(sim, now);
        }
    }

    /// Whether the nodes on the other hosts hold all sealed segments of the log. When a node fails while a loglet is open on
    /// two units only, what is settled by the seal may be on one unit, until the node is back and gets its copy. To lose
    /// that unit's disk before that is a second fault.
    fn have_copies(&self, loser: usize) -> bool {
        let others = self.seats.iter().enumerate().filter(|(number, _)| *number != loser);
        let views: Vec<View> = others.filter_map(|(_, seat)| seat.host.look()).collect();
        let Some((_, chain)) = views.iter().map(|view| &view.chain).max_by_key(|(version, _)| *version) else {
            return false;
        };
        let is_held = |segment: &Segment| {
            let held = |view: &View| view.sealed.iter().find(|(loglet, _)| *loglet == segment.params.id).copied();
            let end = segment.end.map(|end| segment.offset(end));
            views
                .iter()
                .filter_map(held)
                .any(|(_, tail)| end.is_none_or(|end| tail.tail >= end || tail.trim_point >= end))
        };
        chain.segments.iter().filter(|segment| segment.end.is_some()).all(is_held)
    }

    /// Copies a disk, and puts the copy in its place as soon as it is old enough.
    fn restore_copy(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let Some((made, restored, host)) = self.copy else { return };
        if made == now {
            self.seats[host].copy_disk();
        } else if now >= restored && now < self.calm && self.all_know(host) && self.seats[host].restore_copy(sim, now) {
            self.copy = None;
        }
    }

    /// Whether all other nodes have noted the present start of the node on this host, durably. A cluster can refuse an old
    /// copy only if a node that is reached remembers a later start.
    fn all_know(&self, host: usize) -> bool {
        let Some(own) = self.seats[host].host.look() else { return false };
        let start = (own.incarnation.storage, own.start);
        let mut others = self.seats.iter().enumerate().filter(|(number, _)| *number != host);
        others.all(|(_, seat)| seat.host.look().is_some_and(|view| view.starts.contains(&start)))
    }

    /// Whether some node may refuse writes, because of its disk.
    pub fn is_excused(&self) -> bool {
        self.seats.iter().any(Seat::is_excused)
    }
}
