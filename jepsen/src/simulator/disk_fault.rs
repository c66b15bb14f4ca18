//! Disks that return errors and disks that are full: the part of [`Faults`] that deals with them. A special client, the
//! doctor ([`super::doctor`]), examines the node meanwhile.
//!
//! If the journal's disk fails, the storage unit is read-only until the next start: the node still serves reads,
//! refuses writes and says why. If the local store's disk fails, the node ends. In both cases the disk works again at
//! the next start, and nothing acknowledged may be lost.

use std::time::Duration;

use naxos_proto::seams::sim::Fault;
use turmoil::Sim;

use super::doctor::FULL;
use super::fault::{Faults, NEVER, Phase, millis};
use super::host::RESERVE_BYTES;

/// A part of the path of every file of the journal. It does not name the segments, because an open file keeps the path
/// under which it was opened, and a segment may have been opened as a spare file.
const JOURNAL: &str = "journal/";
/// A part of the path of the local store's file.
const STORE: &str = "store.redb";
/// When the writes or the syncs are set to fail, the first call that fails is one of the next `CALLS_MAX`.
const CALLS_MAX: u64 = 20;
/// If no call has failed after this time, the fault is removed.
const ARMED: Duration = Duration::from_millis(600);
/// Time from the first failed call until the doctor examines the node. During this time the node retries proposals of
/// unknown outcome.
const SICKENING: Duration = Duration::from_millis(500);
/// Time from the moment the disk is full until the doctor examines the node. The unit and the health checks look at the
/// free space once a second, and the node's clock may be slow.
const FILLING: Duration = Duration::from_millis(1_100);
/// A node whose store fails must end by itself within this time. It needs some seconds, because it first ends its
/// streams and then its connections.
const ENDING_MAX: Duration = Duration::from_secs(4);
/// How long a disk fault lasts, in milliseconds from the doctor's examination on: at least the first number, and less
/// than the second.
const SICK_MILLIS: (u64, u64) = (50, 400);

impl Faults {
    /// Makes the writes or the syncs of the journal or of the local store fail. The first call that fails is one
    /// of the next [`CALLS_MAX`] such calls. All after it fail too.
    pub(super) fn fail_disk(&mut self, now: Duration) {
        let in_store = self.dice.chance(30);
        let path = if in_store { STORE } else { JOURNAL }.to_owned();
        let from = 1 + self.dice.below(CALLS_MAX);
        let fault = if self.dice.chance(50) { Fault::Write { path, from } } else { Fault::Sync { path, from } };
        self.trace.line(&format!("fault {fault:?}"));
        self.excuse();
        self.struck = self.host.drive().struck();
        self.host.drive().set_fault(fault);
        self.phase = Phase::Armed { until: now + ARMED, in_store };
    }

    /// Fills the disk, so that less room is left than the node's reserve. Sometimes that room is too small even for a
    /// checkpoint.
    pub(super) fn fill_disk(&mut self, now: Duration) {
        let room = self.dice.below(RESERVE_BYTES);
        self.trace.line(&format!("fault {room} bytes of room"));
        self.excuse();
        self.full_disks += 1;
        self.room_left = room;
        self.room = self.host.drive().used() + room;
        self.host.drive().set_capacity(Some(self.room));
        self.sicken(now + FILLING, FULL);
        self.phase = Phase::Full { until: now + FILLING + millis(&mut self.dice, SICK_MILLIS) };
    }

    /// Until the next start, the node may refuse calls, and it may end. Also cancels a freeze that was set on the
    /// drive (a crash at a sync), so that the drive does not freeze while its disk fails or is full.
    fn excuse(&mut self) {
        self.host.drive().freeze_at_sync(NEVER);
        self.host.set_may_fail(true);
        self.record.borrow_mut().disk_fails = true;
    }

    fn sicken(&mut self, at: Duration, says: &'static str) {
        self.record.borrow_mut().sick = Some((at, says));
    }

    /// Called after each step of the simulation while the disk fails, is full, or is set to fail.
    pub(super) fn step_disk(&mut self, sim: &mut Sim<'_>, now: Duration) {
        match self.phase {
            Phase::Armed { in_store, .. } if self.host.drive().struck() > self.struck => {
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
                self.host.drive().clear_faults();
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
                // Take away the room that the node frees, so that the disk stays full.
                self.room = self.room.min(self.host.drive().used() + self.room_left);
                self.host.drive().set_capacity(Some(self.room));
            }
            _ => {}
        }
    }

    /// Ends a node with a failed disk: stops its process, or crashes the whole machine.
    fn end_sick(&mut self, sim: &mut Sim<'_>, now: Duration) {
        self.record.borrow_mut().sick = None;
        // Both ways are tried, because they differ for the next process. After a stop it still reads from the page
        // cache what the failed sync left there. After a crash it reads only what is on the disk.
        if self.dice.chance(70) {
            self.stop();
        } else {
            self.host.drive().crash();
            self.crash(sim, now, "after a disk error");
        }
    }

    /// Sets the end of a disk fault to now. But if a call of the local store has failed already, the fault keeps its
    /// time, because the node must still end by itself.
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
        self.host.drive().set_capacity(None);
        self.record.borrow_mut().sick = None;
    }

    /// Repairs the disk before a start.
    pub(super) fn renew_disk(&mut self) {
        self.host.drive().clear_faults();
        self.renew_disk_room();
        self.host.set_may_fail(false);
        self.record.borrow_mut().disk_fails = false;
    }
}
