//! [`Faults`]: all faults of a run. The run calls it after each step of the simulation.

use std::time::Duration;

use naxos::node::probe::View;
use naxos_proto::chain::Segment;
use naxos_proto::ids::StorageId;
use turmoil::Sim;

use super::super::fault::millis;
use super::super::trace::Trace;
use super::links::Links;
use super::reached::Reached;
use super::rot::Part;
use super::seat::Seat;
use super::twin::Twin;
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

/// Time until a bit of a disk flips, in the same form.
const ROT_MILLIS: (u64, u64) = (2_000, 7_000);

/// The hosts, the links between them, the twin, and the faults that the seed has planned.
#[derive(Debug)]
pub struct Faults {
    /// The hosts.
    pub seats: Vec<Seat>,
    links: Links,
    twin: Option<Twin>,
    names: Vec<&'static str>,
    /// From this time on no fault begins.
    calm: Duration,
    blackout: Option<Duration>,
    /// When a host loses its disk, and which one.
    loss: Option<(Duration, usize)>,
    /// When the disk of a host is copied, when the copy takes the place of the disk, and which host it is.
    copy: Option<(Duration, Duration, usize)>,
    /// When a bit of a disk flips, and on which host.
    rot: Option<(Duration, usize)>,
    /// Whether a host has forgotten something already: its disk was lost, is an old copy, or has a wrong bit.
    has_forgotten: bool,
    dice: Dice,
    trace: Trace,
    reached: Reached,
}

impl Faults {
    /// The faults of a seed. From the time `calm` on no fault begins.
    pub fn new(
        seats: Vec<Seat>,
        links: Links,
        twin: Option<Twin>,
        seed: u64,
        calm: Duration,
        trace: &Trace,
        reached: &Reached,
    ) -> Self {
        let names = seats.iter().map(|seat| seat.host.name).collect();
        let blackout = Some(millis(&mut Dice::new(seed ^ 0xb1ac), BLACKOUT_MILLIS));
        Faults {
            seats,
            links,
            twin,
            names,
            calm,
            blackout,
            loss: None,
            copy: None,
            rot: None,
            has_forgotten: false,
            dice: Dice::new(seed ^ 0x0b17),
            trace: trace.clone(),
            reached: reached.clone(),
        }
    }

    /// Lets one of the first `members` hosts lose its disk at a time that the seed chooses. If that is in the time without
    /// faults, at the end of the run, no disk is lost. This is so with about half of the seeds.
    pub fn lose_a_disk(&mut self, seed: u64, members: usize) {
        let mut dice = Dice::new(seed ^ 0x1055);
        let loser = usize::try_from(dice.below(members as u64)).expect("few hosts");
        self.loss = Some((millis(&mut dice, LOSS_MILLIS), loser));
    }

    /// Lets an old copy take the place of the disk of one of the first `members` hosts, at times that the seed chooses.
    pub fn restore_a_copy(&mut self, seed: u64, members: usize) {
        let mut dice = Dice::new(seed ^ 0xc0b1);
        let host = usize::try_from(dice.below(members as u64)).expect("few hosts");
        let made = millis(&mut dice, COPY_MILLIS);
        self.copy = Some((made, made + millis(&mut dice, RESTORE_MILLIS), host));
    }

    /// Lets a bit of the disk of one of the first `members` hosts flip at a time that the seed chooses.
    pub fn rot_a_disk(&mut self, seed: u64, members: usize) {
        let mut dice = Dice::new(seed ^ 0x207);
        let host = usize::try_from(dice.below(members as u64)).expect("few hosts");
        self.rot = Some((millis(&mut dice, ROT_MILLIS), host));
    }

    /// Begins and ends faults.
    ///
    /// # Errors
    /// If a process on a clone of a disk serves.
    pub fn step(&mut self, sim: &mut Sim<'_>) -> Result<(), String> {
        let now = sim.elapsed();
        let is_calm = now >= self.calm;
        for n in 0..self.seats.len() {
            let may_empty = !self.seats[n].waits_for_empty_disk() || self.have_copies(n);
            self.seats[n].step(sim, &mut self.links, &self.names, now, (is_calm, may_empty));
        }
        self.links.step(sim, now, is_calm);
        self.lose_disk(sim, now);
        self.restore_copy(sim, now);
        self.rot(sim, now);
        if self.blackout.is_some_and(|at| now >= at && !is_calm) {
            self.blackout = None;
            self.trace.line("fault: the power of all hosts fails");
            self.reached.count("blackout");
            for seat in &mut self.seats {
                seat.cut_power(sim, &mut self.links, now);
            }
        }
        let is_known = self.twin.as_ref().is_some_and(|twin| twin.waits(now) && self.all_know(twin.of));
        match &mut self.twin {
            Some(twin) => twin.step(sim, &self.seats[twin.of].host, is_known, now, is_calm),
            None => Ok(()),
        }
    }

    /// Takes the disk away from one host, once in a run, as soon as [`Self::may_forget`] allows it.
    fn lose_disk(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let Some((at, loser)) = self.loss else { return };
        if now >= at && now < self.calm && self.may_forget(loser) {
            self.loss = None;
            self.has_forgotten = true;
            self.seats[loser].lose_disk(sim, now);
        }
    }

    /// Whether this host may forget something. The first host of a run that does so needs only that the others hold all
    /// sealed segments. A later host must also wait until the earlier one has got back what it forgot, because a cluster
    /// does not survive the loss of both copies.
    fn may_forget(&self, host: usize) -> bool {
        self.have_copies(host) && (!self.has_forgotten || self.others_are_well(host))
    }

    /// Whether this host and all other members serve, the others on disks that have forgotten nothing. Besides, one of
    /// the others must hold everything of the open segment that is known to be on a write quorum. And the MetaStore
    /// must have at least three voters, all of which serve.
    fn others_are_well(&self, host: usize) -> bool {
        let others = self.seats.iter().enumerate().filter(|(number, seat)| *number != host && seat.host.is_member());
        let others: Vec<&Seat> = others.map(|(_, seat)| seat).collect();
        let views: Vec<View> = others.iter().filter_map(|seat| seat.host.look()).collect();
        let Some(own) = self.seats[host].host.look() else { return false };
        if views.len() < others.len() || others.iter().any(|seat| seat.is_ill()) {
            return false;
        }
        let all = || views.iter().chain([&own]);
        let is_seen = |voter: &StorageId| all().any(|view| view.incarnation.storage == *voter);
        let known = all().filter_map(|view| view.tail).map(|tail| tail.known_tail).max();
        let holds = |view: &View| view.chain == own.chain && view.tail.map(|tail| tail.tail) >= known;
        all().all(|view| view.voters.len() > 2 && view.voters.iter().all(is_seen)) && views.iter().any(holds)
    }

    /// Whether the nodes on the other hosts hold all sealed segments of the log. A loglet may be open on two units
    /// only. If one of them fails, cells that the seal settles may be on the other unit alone, until the failed one is
    /// back and gets its copy. The loss of the other unit's disk before that would be a second fault.
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

    /// Flips a bit of one host's disk, once in a run, as soon as [`Self::may_forget`] allows it. What the host holds of
    /// the open segment is on a write quorum, or was not acknowledged.
    fn rot(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let Some((at, host)) = self.rot else { return };
        if now >= at && now < self.calm && self.may_forget(host) {
            self.rot = None;
            self.has_forgotten = true;
            let part = *self.dice.pick(&[Part::Journal, Part::Journal, Part::Store, Part::Other]);
            // The pages of `store.redb` are checked only when it is opened, not while the node runs.
            let crashes = part != Part::Journal || self.dice.chance(50);
            self.seats[host].rot(sim, now, part, crashes);
        }
    }

    /// Copies a disk. Puts the copy in the place of the disk later, when all other nodes know a start that the copy
    /// lacks and [`Self::may_forget`] allows it.
    fn restore_copy(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let Some((made, restored, host)) = self.copy else { return };
        if made == now {
            self.seats[host].copy_disk();
        } else if now >= restored
            && now < self.calm
            && self.all_know(host)
            && self.may_forget(host)
            && self.seats[host].restore_copy(sim, now)
        {
            self.copy = None;
            self.has_forgotten = true;
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
