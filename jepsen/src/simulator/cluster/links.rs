//! [`Links`]: the faults of the network between the hosts of a cluster, its clients included.

use std::collections::BTreeSet;
use std::time::Duration;

use naxos_sim::LATENCY_MAX;
use turmoil::Sim;

use super::super::fault::millis;
use super::super::trace::Trace;
use super::reached::Reached;
use crate::differential::dice::Dice;

/// Time between two faults of one link, in milliseconds: at least the first number, and less than the second. The other
/// pair is read in the same way.
const QUIET_MILLIS: (u64, u64) = (400, 6_000);
/// How long a fault of a link lasts, in milliseconds.
const FAULT_MILLIS: (u64, u64) = (20, 1_500);
/// The longest time that a message takes on a slow link.
const SLOW: Duration = Duration::from_millis(60);

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// Nothing gets through.
    Cut,
    /// Nothing gets through from the first end to the second, or the other way round.
    OneWay { forward: bool },
    /// Messages arrive when the fault is over.
    Held,
    /// Messages take long.
    Slow,
}

#[derive(Debug)]
struct Link {
    ends: (&'static str, &'static str),
    wrong: Option<Wrong>,
    /// When the fault ends or the next one begins.
    until: Duration,
}

impl Link {
    fn has(&self, host: &str) -> bool {
        self.ends.0 == host || self.ends.1 == host
    }

    fn begin(&mut self, sim: &Sim<'_>, wrong: Wrong) {
        let (a, b) = self.ends;
        match wrong {
            Wrong::Cut => sim.partition(a, b),
            Wrong::OneWay { forward: true } => sim.partition_oneway(a, b),
            Wrong::OneWay { forward: false } => sim.partition_oneway(b, a),
            Wrong::Held => sim.hold(a, b),
            Wrong::Slow => sim.set_link_max_message_latency(a, b, SLOW),
        }
        self.wrong = Some(wrong);
    }

    fn end(&mut self, sim: &Sim<'_>) {
        let (a, b) = self.ends;
        match self.wrong.take() {
            None => {}
            Some(Wrong::Cut | Wrong::OneWay { .. }) => sim.repair(a, b),
            Some(Wrong::Held) => sim.release(a, b),
            Some(Wrong::Slow) => sim.set_link_max_message_latency(a, b, LATENCY_MAX),
        }
    }
}

/// The links of a run.
#[derive(Debug)]
pub struct Links {
    links: Vec<Link>,
    /// Hosts without power. Nothing gets to them or from them.
    dark: BTreeSet<&'static str>,
    /// The time between two faults of a link, in milliseconds.
    quiet: (u64, u64),
    dice: Dice,
    trace: Trace,
    reached: Reached,
}

impl Links {
    /// The links between each pair of `hosts`. The time between two faults of a link is `calmness` times as long as
    /// `QUIET_MILLIS` says.
    pub fn new(hosts: &[&'static str], calmness: u64, seed: u64, trace: &Trace, reached: &Reached) -> Self {
        let mut dice = Dice::new(seed ^ 0x11e7);
        let quiet = (QUIET_MILLIS.0 * calmness, QUIET_MILLIS.1 * calmness);
        let mut links = Vec::new();
        for (n, a) in hosts.iter().enumerate() {
            for b in &hosts[..n] {
                links.push(Link { ends: (a, b), wrong: None, until: millis(&mut dice, quiet) });
            }
        }
        Links { links, dark: BTreeSet::new(), quiet, dice, trace: trace.clone(), reached: reached.clone() }
    }

    /// Called after each step of the simulation. Once `is_calm`, faults end and none begins.
    pub fn step(&mut self, sim: &Sim<'_>, now: Duration, is_calm: bool) {
        for link in &mut self.links {
            let is_dark = self.dark.contains(link.ends.0) || self.dark.contains(link.ends.1);
            if is_dark || (now < link.until && !(is_calm && link.wrong.is_some())) {
                continue;
            }
            if link.wrong.is_some() {
                self.trace.line(&format!("link {:?} is well again", link.ends));
                link.end(sim);
                link.until = now + millis(&mut self.dice, self.quiet);
            } else if !is_calm {
                let (name, wrong) = match self.dice.below(8) {
                    0..3 => ("cut", Wrong::Cut),
                    3..6 => ("one_way_cut", Wrong::OneWay { forward: self.dice.chance(50) }),
                    6 => ("hold", Wrong::Held),
                    _ => ("slow_link", Wrong::Slow),
                };
                self.trace.line(&format!("fault link {:?}: {wrong:?}", link.ends));
                self.reached.count(name);
                link.begin(sim, wrong);
                link.until = now + millis(&mut self.dice, FAULT_MILLIS);
            }
        }
    }

    /// Cuts a host off from all hosts in `from`, for a time: both ways, or only what it sends, or only what it receives.
    pub fn isolate(&mut self, sim: &Sim<'_>, host: &'static str, from: &[&'static str], now: Duration) {
        let (ways, until) = (self.dice.below(3), now + millis(&mut self.dice, FAULT_MILLIS));
        self.trace.line(&format!("fault isolation of {host}, kind {ways}"));
        self.reached.count("isolation");
        for link in self.links.iter_mut().filter(|link| link.has(host)) {
            let other = if link.ends.0 == host { link.ends.1 } else { link.ends.0 };
            if !from.contains(&other) || self.dark.contains(host) || self.dark.contains(other) {
                continue;
            }
            link.end(sim);
            let is_first = link.ends.0 == host;
            link.begin(sim, if ways == 0 { Wrong::Cut } else { Wrong::OneWay { forward: is_first == (ways == 1) } });
            link.until = until;
        }
    }

    /// Takes the power from a host: nothing gets to it or from it, not even the end of its connections.
    pub fn darken(&mut self, sim: &Sim<'_>, host: &'static str) {
        self.dark.insert(host);
        for link in self.links.iter_mut().filter(|link| link.has(host)) {
            link.end(sim);
            sim.partition(link.ends.0, link.ends.1);
        }
    }

    /// The host has power again.
    pub fn lighten(&mut self, sim: &Sim<'_>, host: &'static str, now: Duration) {
        if !self.dark.remove(host) {
            return;
        }
        for link in self.links.iter_mut().filter(|link| link.has(host)) {
            if !self.dark.contains(link.ends.0) && !self.dark.contains(link.ends.1) {
                sim.repair(link.ends.0, link.ends.1);
                link.until = now + millis(&mut self.dice, self.quiet);
            }
        }
    }
}
