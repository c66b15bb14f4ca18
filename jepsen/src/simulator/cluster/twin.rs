//! [`Twin`]: a process on a clone of a member's disk, at another address, while the member's own process is there, too.

use std::time::Duration;

use naxos_proto::seams::sim::Drive;
use turmoil::Sim;

use super::super::fault::millis;
use super::super::host::Host;
use super::super::trace::Trace;
use super::reached::Reached;
use super::seat::listen;
use crate::differential::dice::Dice;

/// The name of the twin's host.
pub const TWIN: &str = "twin";
/// Time until the disk is cloned, in milliseconds: at least the first number, and less than the second. The other pairs in
/// this file are read in the same way.
const CLONED_MILLIS: (u64, u64) = (1_500, 5_000);
/// How much later the twin starts, in milliseconds.
const STARTED_MILLIS: (u64, u64) = (1, 1_500);
/// How long it stays down after it has ended, in milliseconds.
const DOWN_MILLIS: (u64, u64) = (50, 1_000);

#[derive(Debug)]
enum Phase {
    /// The disk is cloned at that time or later, as soon as the others know the member's start.
    Waits { until: Duration },
    /// The clone exists. The twin starts at that time.
    Cloned { until: Duration, clone: Drive },
    /// The twin runs, and must not take part.
    Runs,
    /// The cluster has refused the twin, and so the twin has ended.
    Ended { until: Duration },
}

/// See the module. Its host is in the simulation from the beginning, but nothing runs there before the twin starts.
#[derive(Debug)]
pub struct Twin {
    host: Host,
    /// The number of the member whose disk is cloned.
    pub of: usize,
    phase: Phase,
    dice: Dice,
    trace: Trace,
    reached: Reached,
}

impl Twin {
    /// The twin of the member with the number `of`. The seed decides when it begins.
    pub fn new(host: Host, of: usize, seed: u64, trace: &Trace, reached: &Reached) -> Self {
        let mut dice = Dice::new(seed ^ 0x7711);
        let phase = Phase::Waits { until: millis(&mut dice, CLONED_MILLIS) };
        Twin { host, of, phase, dice, trace: trace.clone(), reached: reached.clone() }
    }

    /// Whether the disk is cloned as soon as the others know the member's start.
    pub fn waits(&self, now: Duration) -> bool {
        matches!(&self.phase, Phase::Waits { until } if now >= *until)
    }

    /// Called after each step of the simulation. `original` is the member's host, and `is_known` whether all others have
    /// noted its present start, so that they can tell the two processes apart. Once `is_calm`, nothing begins.
    ///
    /// # Errors
    /// If the twin serves.
    pub fn step(
        &mut self,
        sim: &mut Sim<'_>,
        original: &Host,
        is_known: bool,
        now: Duration,
        is_calm: bool,
    ) -> Result<(), String> {
        match &self.phase {
            Phase::Waits { until } if now >= *until && is_known && !is_calm => {
                self.trace.line(&format!("fault {TWIN}: the disk of {} is cloned", original.name));
                let clone = original.drive().copy(self.dice.roll());
                self.phase = Phase::Cloned { until: now + millis(&mut self.dice, STARTED_MILLIS), clone };
            }
            Phase::Cloned { until, clone } if now >= *until && !is_calm => {
                self.trace.line(&format!("fault {TWIN}: it starts"));
                self.reached.count("twin_started");
                self.host.joins();
                self.host.replace_drive(clone.clone());
                listen(&self.host, &self.trace);
                self.phase = Phase::Runs;
            }
            Phase::Runs if self.host.look().is_some() => {
                return Err(format!("a process on a clone of the disk of {} serves", original.name));
            }
            Phase::Runs if !sim.is_host_running(TWIN) => {
                self.trace.line(&format!("fault {TWIN}: it has ended by itself"));
                self.reached.count("twin_refused");
                self.host.drive().crash();
                sim.crash(TWIN);
                self.phase = Phase::Ended { until: now + millis(&mut self.dice, DOWN_MILLIS) };
            }
            Phase::Ended { until } if now >= *until && !is_calm => {
                self.trace.line(&format!("bounce {TWIN}"));
                sim.bounce(TWIN);
                self.phase = Phase::Runs;
            }
            _ => {}
        }
        Ok(())
    }
}
