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
use naxos_proto::contracts::{AppendError, Cell, OnGrant, Purpose, Refusal, StorageUnit, Store, UnitParams};
use naxos_proto::ids::{LogletId, Offset};
use naxos_proto::seams::{Clock, Instant};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::answer::Answer;
use crate::granted::Granted;
use crate::grants::Grants;
use crate::in_flight_max::InFlightMax;
use crate::lane::{Lane, LaneMax};

/// At most this much of a loglet may be in flight. Beyond it appends are refused.
const IN_FLIGHT_MAX: InFlightMax = InFlightMax { batches: 4_096, bytes: 512 << 20 };
/// A lane with more batches or bytes than this drops committed batches. At most `out` of its stores are unanswered.
const LANE_MAX: LaneMax = LaneMax { out: 1_024, batches: 4_096, bytes: 64 << 20 };
/// How long a lane rests after its first failure. Each further failure doubles this.
const REST_MIN: Duration = Duration::from_millis(2);
/// The longest rest of a lane.
const REST_MAX: Duration = Duration::from_millis(500);

/// How long the sequencer waits, once no batch is in flight, before it tells units on other nodes the known tail. If a
/// batch is in flight when the wait ends, nothing is told, because each store carries the known tail; a new wait begins
/// the next time that no batch is in flight. Nodes that follow the units' tails know the known tail without such a
/// message.
const ADVANCE_AFTER: Duration = Duration::from_millis(2);

/// What receives the outcome of an append.
pub(crate) type Done = Completion<Result<Offset, AppendError>>;

/// A unit and its lane.
struct UnitLane {
    lane: Lane,
    /// Whether a thread is sending this lane's stores.
    is_sending: bool,
    /// When the lane may send again, if it rests.
    rests_until: Option<Instant>,
    /// How long the next rest will be.
    next_rest: Duration,
}

struct State {
    grants: Grants<Done>,
    lanes: Vec<UnitLane>,
    /// When the units on other nodes are to be told the known tail.
    advance_at: Option<Instant>,
    /// The known tail that the units on other nodes were last told without a store.
    advanced: Offset,
    /// Whether a thread is running completions.
    is_draining: bool,
    /// Whether a successor is served. Then the lanes are emptied as soon as no batch is in flight.
    is_retired: bool,
}

/// Where a loglet is stored.
pub(crate) struct Placement {
    pub(crate) loglet: LogletId,
    pub(crate) params: UnitParams,
    pub(crate) units: Vec<Arc<dyn StorageUnit>>,
    pub(crate) write_quorum: usize,
}

/// The appends of one loglet; see the module.
pub(crate) struct Fanout {
    placement: Placement,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Which units are in this process.
    is_near: Vec<bool>,
    /// Notified when [`Self::next_resume`] has changed.
    rests: Arc<Notify>,
}

impl Fanout {
    /// Nothing is appended yet. `rests` is notified when [`Self::next_resume`] has changed.
    pub(crate) fn new(placement: Placement, clock: Arc<dyn Clock>, rests: Arc<Notify>) -> Self {
        let units = placement.units.len();
        let lane = || UnitLane {
            // A store to the only unit never leaves the process, so it arrives there once (see `grants`).
            lane: Lane::new(units > 1, LANE_MAX),
            is_sending: false,
            rests_until: None,
            next_rest: REST_MIN,
        };
        let state = State {
            grants: Grants::new(units, placement.write_quorum, IN_FLIGHT_MAX),
            lanes: std::iter::repeat_with(lane).take(units).collect(),
            advance_at: None,
            advanced: Offset::ZERO,
            is_draining: false,
            is_retired: false,
        };
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

    /// Appends a batch. `granted` hears its offset at once, but only if the loglet has several units. If it has only
    /// one unit, that unit may refuse the batch, and then the offset is given out again.
    pub(crate) fn append(self: &Arc<Self>, batch: Vec<Cell>, granted: Option<OnGrant>, done: Done) {
        let outcome = self.state.lock().enqueue(batch, done);
        match (outcome, granted) {
            (Ok(at), Some(granted)) if self.placement.units.len() > 1 => granted(at),
            (Ok(_), _) => {}
            (Err((done, why)), _) => done.complete(Err(why)),
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
            let Some(settled) = state.grants.settle() else {
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
                drop(state);
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

    fn shorten(&self, state: &mut State, known_tail: Offset) {
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

impl State {
    /// Grants offsets to a batch and puts it into the lanes. Returns the first offset, or `done` if the batch is refused.
    fn enqueue(&mut self, batch: Vec<Cell>, done: Done) -> Result<Offset, (Done, AppendError)> {
        if let Some(full) = self.disk_full() {
            return Err((done, full.into()));
        }
        let bytes = batch.iter().map(|cell| cell.payload.len() as u64).sum();
        let grant = self.grants.grant(batch.len() as u64, bytes, done)?;
        let mut cells = Some(batch);
        let last = self.lanes.len() - 1;
        for (unit, on_unit) in self.lanes.iter_mut().enumerate() {
            let cells = if unit == last { cells.take() } else { cells.clone() }.expect("taken by the last unit only");
            if let Some(answer) = on_unit.lane.push(grant, cells, bytes) {
                self.grants.answer(grant.id, unit, answer);
            }
        }
        Ok(grant.at)
    }

    /// The refusal of a unit whose disk is full, if too many disks are full for a write quorum. An append without room
    /// is refused before offsets are granted (`docs/protocol.md`, cluster 2).
    fn disk_full(&self) -> Option<Refusal> {
        let mut full = self.lanes.iter().filter_map(|l| l.lane.disk_full());
        full.nth(self.grants.spare_units()).cloned()
    }

    /// Takes the answer of one unit. Returns whether its lane begins to rest.
    fn answered(&mut self, id: u64, unit: usize, answer: Answer, now: impl FnOnce() -> Instant) -> bool {
        let on_unit = &mut self.lanes[unit];
        if answer == Answer::Durable {
            on_unit.next_rest = REST_MIN;
        }
        let last = on_unit.lane.answer(id, answer);
        let rests = on_unit.lane.failed().is_some() && on_unit.rests_until.is_none();
        if rests {
            on_unit.rests_until = Some(now().after(on_unit.next_rest));
            on_unit.next_rest = REST_MAX.min(on_unit.next_rest * 2);
        }
        for (id, answer) in last {
            self.grants.answer(id, unit, answer);
        }
        rests
    }
}
