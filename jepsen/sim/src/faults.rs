//! [`Faults`]: what happens to the nodes.

use std::time::Duration;

use naxos_proto::seams::sim::Latency;
use turmoil::Sim;

use crate::dice::Dice;
use crate::member::Member;

/// From this time of the simulation on no new fault is drawn, and those that are left end. A disk that was to be torn at one of its next
/// syncs may still be torn.
pub const FAULTS_END: Duration = Duration::from_secs(5);
/// Time between two faults of a node, in milliseconds: at least the first number, and less than the second. The other pairs
/// are read in the same way.
const QUIET_MILLIS: (u64, u64) = (300, 2_500);
/// How long a node is down, cut off, or has a slow disk, in milliseconds.
const BAD_MILLIS: (u64, u64) = (1, 1_500);
/// How long a sync of a slow disk takes, in milliseconds.
const SLOW_SYNC_MILLIS: (u64, u64) = (10, 200);
/// At one of its next `TORN_SYNCS` syncs a torn disk crashes its node.
const TORN_SYNCS: u64 = 60;
/// How likely it is that a power cut hits all nodes at once, in percent.
const BLACKOUT_PERCENT: u64 = 30;

enum Phase {
    Up { until: Duration },
    Down { until: Duration },
    CutOff { until: Duration },
    Slow { until: Duration },
}

struct Victim {
    member: Member,
    phase: Phase,
    life: u64,
}

/// See the module.
pub(crate) struct Faults {
    victims: Vec<Victim>,
    dice: Dice,
    is_calm: bool,
    /// How many there were: crashes, partitions and slow disks.
    pub(crate) counts: [u64; 3],
}

fn drawn(dice: &mut Dice, (least, below): (u64, u64)) -> Duration {
    Duration::from_millis(least + dice.below(below - least))
}

fn healthy() -> Latency {
    Latency { read: Duration::ZERO, write: Duration::ZERO, sync: Duration::from_millis(1) }
}

impl Faults {
    pub(crate) fn new(members: Vec<Member>, seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0xfa17);
        let victims = members
            .into_iter()
            .map(|member| {
                member.drive.set_latency(healthy());
                let (life, until) = (member.drive.life(), drawn(&mut dice, QUIET_MILLIS));
                Victim { member, phase: Phase::Up { until }, life }
            })
            .collect();
        Self { victims, dice, is_calm: false, counts: [0; 3] }
    }

    /// Called after each step of the simulation.
    pub(crate) fn step(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        self.is_calm = now >= FAULTS_END;
        for at in 0..self.victims.len() {
            let victim = &self.victims[at];
            if victim.member.drive.life() != victim.life {
                // The disk was torn at a sync.
                self.go_down(sim, at, now);
            }
            let is_over = |until: Duration| now >= until || self.is_calm;
            match self.victims[at].phase {
                Phase::Up { until } if now >= until && !self.is_calm => self.strike(sim, at, now),
                Phase::Down { until } if is_over(until) => {
                    sim.bounce(self.victims[at].member.name);
                    self.go_on(at, now);
                }
                Phase::CutOff { until } if is_over(until) => {
                    self.others(at).for_each(|other| sim.repair(self.victims[at].member.name, other));
                    self.go_on(at, now);
                }
                Phase::Slow { until } if is_over(until) => {
                    self.victims[at].member.drive.set_latency(healthy());
                    self.go_on(at, now);
                }
                _ => {}
            }
        }
    }

    fn others(&self, at: usize) -> impl Iterator<Item = &'static str> {
        let others = self.victims.iter().enumerate().filter(move |(n, _)| *n != at);
        others.map(|(_, victim)| victim.member.name)
    }

    fn strike(&mut self, sim: &mut Sim<'_>, at: usize, now: Duration) {
        let until = now + drawn(&mut self.dice, BAD_MILLIS);
        match self.dice.below(10) {
            0..3 => {
                let everywhere = self.dice.chance(BLACKOUT_PERCENT);
                for at in (0..self.victims.len()).filter(|n| everywhere || *n == at) {
                    self.victims[at].member.drive.crash();
                    self.go_down(sim, at, now);
                }
            }
            3..6 => {
                let syncs = 1 + self.dice.below(TORN_SYNCS);
                self.victims[at].member.drive.freeze_at_sync(syncs);
                self.go_on(at, now);
            }
            6..8 => {
                self.counts[1] += 1;
                self.others(at).for_each(|other| sim.partition(self.victims[at].member.name, other));
                self.victims[at].phase = Phase::CutOff { until };
            }
            _ => {
                self.counts[2] += 1;
                let sync = drawn(&mut self.dice, SLOW_SYNC_MILLIS);
                self.victims[at].member.drive.set_latency(Latency { sync, ..healthy() });
                self.victims[at].phase = Phase::Slow { until };
            }
        }
    }

    /// The node has crashed together with its disk.
    fn go_down(&mut self, sim: &mut Sim<'_>, at: usize, now: Duration) {
        let name = self.victims[at].member.name;
        match self.victims[at].phase {
            Phase::Down { .. } => {}
            Phase::CutOff { .. } => {
                self.others(at).for_each(|other| sim.repair(name, other));
                sim.crash(name);
            }
            Phase::Up { .. } | Phase::Slow { .. } => sim.crash(name),
        }
        self.counts[0] += 1;
        let until = now + drawn(&mut self.dice, BAD_MILLIS);
        let victim = &mut self.victims[at];
        victim.member.drive.set_latency(healthy());
        victim.life = victim.member.drive.life();
        victim.phase = Phase::Down { until };
    }

    fn go_on(&mut self, at: usize, now: Duration) {
        self.victims[at].phase = Phase::Up { until: now + drawn(&mut self.dice, QUIET_MILLIS) };
    }
}
