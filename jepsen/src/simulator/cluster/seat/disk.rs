//! The faults of a [`Seat`]'s disk.

use std::time::Duration;

use naxos_proto::seams::sim::{Fault, Latency};
use turmoil::Sim;

use super::super::super::fault::{NEVER, millis};
use super::super::super::host::RESERVE_BYTES;
use super::super::rot::{Part, flip_bit};
use super::{Phase, Seat, listen};

/// How long a disk is full or slow, or fails, in milliseconds: at least the first number, and less than the second.
const BAD_DISK_MILLIS: (u64, u64) = (50, 1_500);
/// When one kind of calls is set to fail, such as writes, the first call that fails is one of the next `CALLS_MAX`.
const CALLS_MAX: u64 = 20;
/// The files whose calls fail: the journal's, or the local store's.
const FAILING: [&str; 2] = ["journal/", "store.redb"];

impl Seat {
    /// Flips one bit in this part of the disk for good. If `crashes`, the node crashes first, and finds the bit at its
    /// next start. Otherwise the node runs on.
    pub fn rot(&mut self, sim: &mut Sim<'_>, now: Duration, part: Part, crashes: bool) {
        if crashes && !matches!(self.phase, Phase::Down { .. }) {
            self.host.drive().crash();
            self.crash(sim, now, "a crash, and then a bit of its disk flips");
        }
        if let Some(what) = flip_bit(&self.host.drive(), part, &mut self.dice) {
            self.count("bit_flipped");
            self.line(&what);
            self.is_rotten = true;
            self.host.set_may_fail(true);
        }
    }

    /// Replaces the host's disk by an empty one.
    pub fn lose_disk(&mut self, sim: &mut Sim<'_>, now: Duration) {
        self.count("disk_lost");
        self.is_rotten = false;
        self.host.drive().wipe();
        self.crash(sim, now, "its disk is lost");
    }

    /// Whether the next start of the node will be on an emptied disk, because it has refused the one with wrong bits.
    pub fn waits_for_empty_disk(&self) -> bool {
        self.is_refused && self.is_rotten
    }

    /// Copies the disk, as a backup of the whole machine does.
    pub fn copy_disk(&mut self) {
        self.line("its disk is copied");
        self.copy = Some((self.host.drive().copy(self.dice.roll()), self.host.boots()));
    }

    /// Puts the copy into the host, in the place of its disk. The node must have served after a start that the copy
    /// does not know, because such a start shows the others that the copy is old. Otherwise this does nothing and
    /// returns false.
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

    /// Until the next start, the node may refuse writes, and it may end. Also cancels a freeze that was set on the
    /// drive, so that the drive does not freeze while its disk fails or is full.
    pub(super) fn excuse(&mut self) {
        self.host.drive().freeze_at_sync(NEVER);
        self.host.set_may_fail(true);
        self.is_excused = true;
    }

    /// Puts a fault on the drive, and counts it as `what`.
    fn arm(&mut self, fault: Fault, what: &'static str) {
        self.line(&format!("{fault:?}"));
        self.count(what);
        self.excuse();
        self.host.drive().set_fault(fault);
    }

    pub(super) fn fail_disk(&mut self, now: Duration) {
        let path = (*self.dice.pick(&FAILING)).to_owned();
        let from = 1 + self.dice.below(CALLS_MAX);
        let fault = if self.dice.chance(50) { Fault::Write { path, from } } else { Fault::Sync { path, from } };
        self.arm(fault, "disk_error");
        self.phase = Phase::Failing { until: now + millis(&mut self.dice, BAD_DISK_MILLIS) };
    }

    /// Ends a node whose disk fails: stops its process, or crashes its machine. After a stop the next process still
    /// reads from the page cache what the failed sync left there. After a crash it reads only what is on the disk.
    pub(super) fn end_failing(&mut self, sim: &mut Sim<'_>, now: Duration) {
        if self.dice.chance(70) {
            self.stop();
        } else {
            self.host.drive().crash();
            self.crash(sim, now, "after disk errors");
        }
    }

    /// Lets reads fail for a while. The node may go on, or end.
    pub(super) fn fail_reads(&mut self, now: Duration) {
        let path = (*self.dice.pick(&FAILING)).to_owned();
        let from = 1 + self.dice.below(CALLS_MAX);
        self.arm(Fault::Read { path, from }, "read_error");
        self.phase = Phase::Unreadable { until: now + millis(&mut self.dice, BAD_DISK_MILLIS) };
    }

    pub(super) fn fill_disk(&mut self, now: Duration) {
        let room_left = self.dice.below(RESERVE_BYTES);
        self.line(&format!("{room_left} bytes of room"));
        self.count("full_disk");
        self.excuse();
        self.capacity = u64::MAX;
        self.phase = Phase::Full { until: now + millis(&mut self.dice, BAD_DISK_MILLIS), room_left };
    }

    pub(super) fn slow_disk(&mut self, now: Duration, what: &'static str, sync_millis: (u64, u64)) {
        let sync = millis(&mut self.dice, sync_millis);
        self.line(&format!("a sync takes {sync:?}"));
        self.count(what);
        self.host.drive().set_latency(Latency { read: Duration::ZERO, write: Duration::ZERO, sync });
        self.phase = Phase::Slow { until: now + millis(&mut self.dice, BAD_DISK_MILLIS) };
    }
}
