//! [`Fanout`]: stores every batch of one native loglet on all units, and acknowledges it when a write quorum has it.
//!
//! Many threads call `append`. Answers arrive on the units' committer threads. One lock holds the pure rules: the grants
//! and one lane for each unit. No call is made under it. Two jobs are done by one thread at a time, so that they are done
//! in order; a thread that finds the job taken leaves its work to the thread that has it:
//!
//! - sending the stores of one lane, which never blocks;
//! - running the completions of settled batches.
//!
//! A lane whose store failed rests for a while. [`Fanout::resume_rested`] lets it send again.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::completion::{Completion, ThreadLoad};
use naxos_proto::contracts::{Cell, OnGrant, Purpose, StorageUnit, Store, UnitParams};
use naxos_proto::ids::{LogletId, Lsn, Offset, StreamId};
use naxos_proto::seams::{Clock, Instant};
use naxos_proto::streams::StreamTails;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::answer::Answer;
use crate::fanout_state::{Done, FanoutState};
use crate::granted::Granted;
use crate::stream_table::StreamTable;

/// How long the sequencer waits, once no batch is in flight, before it tells units on other nodes the known tail. If a
/// batch is in flight when the wait ends, nothing is told, because each store carries the known tail; a new wait begins
/// the next time that no batch is in flight. Nodes that follow the units' tails know the known tail without such a
/// message.
const ADVANCE_AFTER: Duration = Duration::from_millis(2);

/// Where a loglet is stored.
pub(crate) struct Placement {
    pub(crate) loglet: LogletId,
    pub(crate) params: UnitParams,
    pub(crate) units: Vec<Arc<dyn StorageUnit>>,
    pub(crate) write_quorum: usize,
    /// The position of the first cell in the log.
    pub(crate) start: Lsn,
}

/// The appends of one loglet; see the module.
pub(crate) struct Fanout {
    placement: Placement,
    clock: Arc<dyn Clock>,
    state: Mutex<FanoutState>,
    /// Which units are in this process.
    is_near: Vec<bool>,
    /// Notified when [`Self::next_resume`] has changed.
    rests: Arc<Notify>,
}

impl Fanout {
    /// Nothing is appended yet. `rests` is notified when [`Self::next_resume`] has changed.
    pub(crate) fn new(placement: Placement, clock: Arc<dyn Clock>, rests: Arc<Notify>) -> Self {
        let (units, write_quorum) = (placement.units.len(), placement.write_quorum);
        let state = FanoutState::new(units, write_quorum, StreamTable::new(placement.loglet, placement.start));
        let is_near = placement.units.iter().map(|u| u.tail_now(placement.loglet).is_some()).collect();
        Self { placement, clock, state: Mutex::new(state), is_near, rests }
    }

    /// How far the loglet has got: its next offset, and how many batches are in flight.
    pub(crate) fn granted(&self) -> Granted {
        let state = self.state.lock();
        let (in_flight, in_flight_max) = state.grants.in_flight();
        Granted { loglet: self.placement.loglet, next: state.grants.next(), in_flight, in_flight_max }
    }

    /// Everything below this offset is on a write quorum.
    pub(crate) fn known_tail(&self) -> Offset {
        self.state.lock().grants.known_tail()
    }

    /// Where the newest entries of these streams are, below an offset that covers everything acknowledged.
    pub(crate) fn stream_tails(&self, streams: &[StreamId]) -> StreamTails {
        let state = self.state.lock();
        state.streams.tails(streams, state.grants.never_again_below())
    }

    /// Appends a batch. `granted` hears its offset at once, but only if the loglet has several units. If it has only
    /// one unit, that unit may refuse the batch, and then the offset is given out again.
    pub(crate) fn append(self: &Arc<Self>, batch: Vec<Cell>, granted: Option<OnGrant>, done: Done) {
        let outcome = self.state.lock().enqueue(batch, done);
        match (outcome, granted) {
            (Ok(at), Some(granted)) if self.placement.units.len() > 1 => granted(at),
            (Ok(_), _) => {}
            (Err(Some((done, why))), _) => done.complete(Err(why)),
            (Err(None), _) => {}
        }
        self.send_all();
        self.drain(ThreadLoad::Busy);
    }

    /// Ends the loglet here, because the chain has ended it and a successor is served. What is in flight is undecided:
    /// the chain decides about it.
    pub(crate) fn retire(&self) {
        {
            let mut state = self.state.lock();
            state.is_retired = true;
            state.grants.end();
            state.streams.forget_all();
        }
        self.drain(ThreadLoad::Busy);
    }

    /// Opens the loglet on all units, and waits for all of them. The change of the chain that began this loglet waited
    /// only for a write quorum of them. Errors are ignored: a lane that meets a unit without the loglet opens it.
    pub(crate) async fn open_everywhere(self: Arc<Self>) {
        let placement = &self.placement;
        futures::future::join_all(placement.units.iter().map(|u| u.open(placement.loglet, placement.params))).await;
    }

    /// When [`Self::resume_rested`] has something to do.
    pub(crate) fn next_resume(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.lanes.iter().filter_map(|l| l.rests_until).chain(state.advance_at).min()
    }

    /// Tells the units on other nodes the known tail, if that is due and no store is in flight that carries it.
    fn advance_far(&self, now: Instant) {
        let known_tail = {
            let mut state = self.state.lock();
            if state.advance_at.is_none_or(|at| at > now) {
                return;
            }
            state.advance_at = None;
            let known_tail = state.grants.known_tail();
            if !state.grants.is_idle() || state.advanced >= known_tail {
                return;
            }
            state.advanced = known_tail;
            known_tail
        };
        self.advance(known_tail, false);
    }

    fn advance(&self, known_tail: Offset, near: bool) {
        let units = self.placement.units.iter().zip(&self.is_near).filter(|(_, is_near)| **is_near == near);
        units.for_each(|(unit, _)| unit.advance(self.placement.loglet, known_tail));
    }

    /// Tells the known tail where that is due, and lets the lanes whose rest is over send again. Returns the indexes of
    /// the units that do not have the loglet. The caller calls [`Self::open_on`] for them, which resumes their lanes.
    pub(crate) fn resume_rested(self: &Arc<Self>) -> Vec<usize> {
        let (now, mut to_open) = (self.clock.now(), Vec::new());
        if self.next_resume().is_none_or(|at| at > now) {
            return to_open;
        }
        self.advance_far(now);
        for (unit, on_unit) in self.state.lock().lanes.iter_mut().enumerate() {
            if on_unit.rests_until.is_some_and(|at| at <= now) {
                on_unit.rests_until = None;
                match on_unit.lane.failed() {
                    Some(Answer::NotOpen(_)) => to_open.push(unit),
                    _ => on_unit.lane.resume(),
                }
            }
        }
        self.send_all();
        self.drain(ThreadLoad::Busy);
        to_open
    }

    /// Opens the loglet on the unit with index `unit`, and lets its lane send again.
    pub(crate) async fn open_on(self: Arc<Self>, unit: usize) {
        // If this fails, the next store fails for the same reason, and the lane rests again.
        if let Err(e) = self.placement.units[unit].open(self.placement.loglet, self.placement.params).await {
            tracing::debug!(unit = %self.placement.units[unit].storage_id(), error = %e, "a unit does not open a loglet");
        }
        self.state.lock().lanes[unit].lane.resume();
        self.send_lane(unit);
        self.drain(ThreadLoad::Busy);
    }

    fn send_all(self: &Arc<Self>) {
        (0..self.placement.units.len()).for_each(|unit| self.send_lane(unit));
    }

    /// Sends what one lane may send. The units are called without the lock, because they may answer during the call.
    fn send_lane(self: &Arc<Self>, unit: usize) {
        let mut ours = false;
        loop {
            let (sent, known_tail) = {
                let mut state = self.state.lock();
                let known_tail = state.grants.known_tail();
                let on_unit = &mut state.lanes[unit];
                if on_unit.is_sending && !ours {
                    return;
                }
                let sent = on_unit.lane.next();
                ours = sent.is_some();
                on_unit.is_sending = ours;
                match sent {
                    Some(sent) => (sent, known_tail),
                    None => return,
                }
            };
            let store = Store {
                loglet: self.placement.loglet,
                incarnation: self.placement.params.incarnation,
                at: sent.grant.at,
                cells: sent.cells,
                purpose: Purpose::Append { known_tail },
            };
            let (this, id) = (Arc::clone(self), sent.grant.id);
            let answered = move |result, load| this.answered(id, unit, Answer::of(result), load);
            self.placement.units[unit].store(store, Completion::on_thread(answered));
        }
    }

    fn answered(self: &Arc<Self>, id: u64, unit: usize, answer: Answer, load: ThreadLoad) {
        let rests = self.state.lock().answered(id, unit, answer, || self.clock.now());
        if rests {
            self.rests.notify_one();
        }
        self.drain(load);
        self.send_lane(unit);
    }

    /// Runs the completions of settled batches in order. Does nothing if another thread does that already. `load` is the
    /// load of the calling thread.
    fn drain(&self, load: ThreadLoad) {
        {
            let mut state = self.state.lock();
            if state.is_draining {
                return;
            }
            state.is_draining = true;
        }
        loop {
            let mut state = self.state.lock();
            let Some(settled) = state.settle() else {
                state.is_draining = false;
                let known_tail = state.grants.known_tail();
                // If no store is in flight that could carry the known tail to the units, they are told.
                let is_idle = state.grants.is_idle();
                let is_due = is_idle && state.advance_at.is_none() && state.advanced < known_tail;
                let begins = is_due && self.is_near.contains(&false);
                if begins {
                    state.advance_at = Some(self.clock.now().after(ADVANCE_AFTER));
                }
                self.shorten(&mut state, known_tail);
                let refused = state.late_refusals.take_due(known_tail, is_idle);
                drop(state);
                for (done, refusal) in refused {
                    done.complete_on(Err(refusal.into()), load);
                }
                if is_idle {
                    self.advance(known_tail, true);
                }
                if begins {
                    self.rests.notify_one();
                }
                return;
            };
            drop(state);
            settled.tag.complete_on(settled.outcome, load);
        }
    }

    fn shorten(&self, state: &mut FanoutState, known_tail: Offset) {
        // Nobody waits for the lanes of a loglet that is over. Its cells are copied by a repair.
        let is_over = state.grants.is_idle() && (state.is_retired || state.grants.is_over());
        for (on_unit, unit) in state.lanes.iter_mut().zip(&self.placement.units) {
            if is_over {
                on_unit.lane.clear();
                on_unit.rests_until = None;
            } else if let Some(batches) = on_unit.lane.shorten(known_tail)
                && batches.is_power_of_two()
            {
                let (unit, loglet) = (unit.storage_id(), self.placement.loglet);
                tracing::warn!(%unit, %loglet, batches, "a storage unit lags behind: it will get what it missed");
            }
        }
    }
}
