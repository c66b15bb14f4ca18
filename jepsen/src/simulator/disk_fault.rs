//! Disks that fail calls, and disks that are full: the part of [`Faults`] that is about them.
//!
//! A journal that fails makes the unit read-only for good: the node still reads, refuses writes, and says so. A store
//! that fails ends the node. Either way the disk is whole again at the next start, and nothing acknowledged is lost.

use std::time::Duration;

use naxos_proto::seams::sim::Fault;
use turmoil::Sim;

use super::doctor::FULL;
use super::fault::{Faults, NEVER, Phase, millis};
use super::host::RESERVE_BYTES;

/// Files of the journal: a handle keeps the name that it was opened under, so segments are among the spares too.
const JOURNAL: &str = "journal/";
/// The file of the local store.
const STORE: &str = "store.redb";
/// The call that fails is at most the so-manieth.
const CALLS_MAX: u64 = 20;
/// If there are not so many calls in this time, nothing fails.
const ARMED: Duration = Duration::from_millis(600);
/// From the first failed call until the doctor looks: proposals of unknown outcome are tried again meanwhile.
const SICKENING: Duration = Duration::from_millis(500);
/// From the full disk on: the unit and the checks look at the free space once a second, by a clock that may be slow.
const FILLING: Duration = Duration::from_millis(1_100);
/// A node whose store fails ends by itself within this time: its streams end first, then its connections.
const ENDING_MAX: Duration = Duration::from_secs(4);
/// A disk fails so long, from when the doctor looks.
const SICK_MILLIS: (u64, u64) = (50, 400);

impl Faults {
    /// Some call to come fails, and all after it.
    pub(super) fn fail_disk(&mut self, now: Duration) {
        let in_store = self.dice.chance(30);
        let path = if in_store { STORE } else { JOURNAL }.to_owned();
        let from = 1 + self.dice.below(CALLS_MAX);
        let fault = if self.dice.chance(50) { Fault::Write { path, from } } else { Fault::Sync { path, from } };
        self.trace.line(&format!("fault {fault:?}"));
        self.excuse();
        self.struck = self.host.drive.struck();
        self.host.drive.set_fault(fault);
        self.phase = Phase::Armed { until: now + ARMED, in_store };
    }

    /// There is less room than the reserve, and so little that a checkpoint may not fit.
    pub(super) fn fill_disk(&mut self, now: Duration) {
        let room = self.dice.below(RESERVE_BYTES);
        self.trace.line(&format!("fault {room} bytes of room"));
        self.excuse();
        self.full_disks += 1;
        self.room_left = room;
        self.room = self.host.drive.used() + room;
        self.host.drive.set_capacity(Some(self.room));
        self.sicken(now + FILLING, FULL);
        self.phase = Phase::Full { until: now + FILLING + millis(&mut self.dice, SICK_MILLIS) };
    }

    /// The node may fail, and nothing else goes wrong meanwhile.
    fn excuse(&mut self) {
        self.host.drive.freeze_at_sync(NEVER);
        self.host.set_may_fail(true);
        self.record.borrow_mut().disk_fails = true;
    }

    fn sicken(&mut self, at: Duration, says: &'static str) {
        self.record.borrow_mut().sick = Some((at, says));
    }

    /// After each step, while the disk fails or is about to.
    pub(super) fn step_disk(&mut self, sim: &mut Sim<'_>, now: Duration) {
        match self.phase {
            Phase::Armed { in_store, .. } if self.host.drive.struck() > self.struck => {
                self.disk_errors += 1;
                let until = if in_store {
                    now + ENDING_MAX
                } else {
                    self.sicken(now + SICKENING, "disk error");
                    now + SICKENING + millis(&mut self.dice, SICK_MILLIS)
                };
                self.phase = Phase::Sick { until, in_store };
            }
            Phase::Armed { until, .. } if now >= until => {
                self.host.drive.clear_faults();
                self.go_on(now);
            }
            Phase::Sick { until, in_store } if now >= until => {
                if in_store {
                    let what = "a node whose store fails does not end".to_owned();
                    self.record.borrow_mut().broken.push(what);
                }
                self.end_sick(sim, now);
            }
            Phase::Full { until } if now >= until => {
                self.trace.line("there is room again");
                self.renew_disk_room();
                self.go_on(now);
            }
            Phase::Full { .. } => {
                // Others take what the node gives back.
                self.room = self.room.min(self.host.drive.used() + self.room_left);
                self.host.drive.set_capacity(Some(self.room));
            }
            _ => {}
        }
    }

    /// A node with a failed disk is ended, in one way or another.
    fn end_sick(&mut self, sim: &mut Sim<'_>, now: Duration) {
        self.record.borrow_mut().sick = None;
        // After a mere end of the process the next one finds what the failed sync left in the page cache.
        if self.dice.chance(70) {
            self.stop();
        } else {
            self.host.drive.crash();
            self.crash(sim, now, "after a disk error");
        }
    }

    /// From now on nothing goes wrong any more: what is under way ends soon.
    pub(super) fn heal(&mut self, now: Duration) {
        match &mut self.phase {
            Phase::Sick { in_store: true, .. } => {}
            Phase::Armed { until, .. } | Phase::Sick { until, .. } | Phase::Full { until } => {
                *until = (*until).min(now);
            }
            _ => {}
        }
    }

    fn renew_disk_room(&mut self) {
        self.host.drive.set_capacity(None);
        self.record.borrow_mut().sick = None;
    }

    /// Before a start: the disk is whole.
    pub(super) fn renew_disk(&mut self) {
        self.host.drive.clear_faults();
        self.renew_disk_room();
        self.host.set_may_fail(false);
        self.record.borrow_mut().disk_fails = false;
    }
}
