//! [`Direct`]: appends of this process whose sequencer is on another node.
//!
//! The sequencer tells the offset of an append as soon as it has given it out. From then on this process finds out by
//! itself what becomes of the append, from the tails that the units tell (`docs/protocol.md`, cluster 3):
//!
//! 1. Everything below the known tail is done, whether the sequencer has answered or not. That saves the way from the
//!    units to the sequencer and on to this process.
//! 2. If the sequencer loses an append whose offset is known, the append still waits a while for the units.
//! 3. Once the chain has ended the loglet, its end settles the appends whose offsets are known, without the sequencer.
//!
//! An append whose offset is not known depends on the sequencer's answer alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, LocalTail, OnGrant};
use naxos_proto::ids::Offset;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::told_tails::ToldTails;

/// At most this many appends that the sequencer lost wait for the units. Further ones end as unknown at once.
const LOST_MAX: usize = 8_192;

type Outcome = Result<Offset, AppendError>;
type Done = Completion<Outcome>;

struct Waiting {
    cells: u64,
    /// The first offset, if it is known.
    at: Option<Offset>,
    /// The sequencer's answer, if it says that the outcome is unknown.
    lost: Option<AppendError>,
    done: Done,
}

struct State {
    told: ToldTails,
    /// Appends without an outcome, by the numbers of their calls.
    waiting: BTreeMap<u64, Waiting>,
    calls: u64,
    /// How many appends in `waiting` the sequencer has lost.
    lost: usize,
    /// Whether somebody follows the units' tails.
    is_listening: bool,
    /// Whether the chain has ended the loglet.
    is_retired: bool,
    /// Outcomes that are not told yet, in their order.
    settled: VecDeque<(Done, Outcome)>,
    /// Whether a thread is telling outcomes. It also tells those that other threads find meanwhile.
    is_draining: bool,
}

/// The appends of this process to one loglet; see the module.
pub(super) struct Direct {
    state: Mutex<State>,
    /// Notified when an append that the sequencer lost waits for the units.
    has_lost: Notify,
    /// Notified when an append begins to wait and no other one waits.
    begins_to_wait: Notify,
}

/// Exists while the units' tails are followed. Dropping it says that nobody follows them any more.
pub(super) struct Listening<'a>(&'a Direct);

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.is_listening = false;
            state.give_up(u64::MAX);
        });
    }
}

impl Direct {
    /// Nothing is appended yet, to a loglet on `units` units.
    pub(super) fn new(units: usize, write_quorum: usize) -> Self {
        let state = State {
            told: ToldTails::new(units, write_quorum),
            waiting: BTreeMap::new(),
            calls: 0,
            lost: 0,
            is_listening: false,
            is_retired: false,
            settled: VecDeque::new(),
            is_draining: false,
        };
        Self { state: Mutex::new(state), has_lost: Notify::new(), begins_to_wait: Notify::new() }
    }

    /// Notes an append of `cells` cells. Returns the callback for its offset, and the one for the sequencer's answer.
    pub(super) fn append(self: &Arc<Self>, cells: u64, done: Done) -> (OnGrant, Done) {
        let (number, is_first) = {
            let mut state = self.state.lock();
            let (number, is_first) = (state.calls, state.waiting.is_empty());
            state.calls += 1;
            state.waiting.insert(number, Waiting { cells, at: None, lost: None, done });
            (number, is_first)
        };
        if is_first {
            self.begins_to_wait.notify_one();
        }
        let (granted, answered) = (Arc::clone(self), Arc::clone(self));
        let granted = move |at| granted.change(|state| state.granted(number, at));
        let answered = Completion::new(move |outcome| {
            if answered.change(|state| state.answered(number, outcome)) {
                answered.has_lost.notify_one();
            }
        });
        (Box::new(granted), answered)
    }

    /// Takes the tail that the unit with index `unit` told. Returns the known tail.
    pub(super) fn told(&self, unit: usize, tail: LocalTail) -> Offset {
        self.change(|state| {
            state.told.told(unit, tail);
            state.acknowledge();
            state.told.known_tail()
        })
    }

    /// Waits until an append waits for its outcome.
    pub(super) async fn has_waiting(&self) {
        while self.oldest().is_none() {
            self.begins_to_wait.notified().await;
        }
    }

    /// The number of the oldest append that waits.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.state.lock().waiting.first_key_value().map(|(number, _)| *number)
    }

    /// The chain has ended the loglet: its end settles the appends whose offsets are known.
    pub(super) fn retire(&self) {
        self.change(|state| {
            state.is_retired = true;
            state.leave_to_the_chain();
        });
    }

    /// From now on, until the result is dropped, appends that the sequencer lost wait for the units.
    pub(super) fn begin_to_listen(&self) -> Listening<'_> {
        self.state.lock().is_listening = true;
        Listening(self)
    }

    /// Each time that the sequencer has lost an append, waits as long as `patience` takes. Then gives up the lost
    /// appends that were begun before the wait, also those that were lost during it: their outcomes are unknown. Never
    /// resolves.
    pub(super) async fn expire<F: Future<Output = ()>>(&self, patience: impl Fn() -> F) {
        loop {
            self.has_lost.notified().await;
            let calls = self.state.lock().calls;
            patience().await;
            self.change(|state| state.give_up(calls));
        }
    }

    /// Changes the state, and tells the outcomes that become known by the change, in their order and without the lock.
    /// If another thread is telling outcomes, leaves these to that thread.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        if !std::mem::replace(&mut state.is_draining, true) {
            while let Some((done, outcome)) = state.settled.pop_front() {
                drop(state);
                done.complete(outcome);
                state = self.state.lock();
            }
            state.is_draining = false;
        }
        result
    }
}

impl State {
    fn granted(&mut self, number: u64, at: Offset) {
        if let Some(waiting) = self.waiting.get_mut(&number) {
            waiting.at = Some(at);
            self.acknowledge();
            self.leave_to_the_chain();
        }
    }

    /// Takes the sequencer's answer. Returns whether the append waits for the units although the sequencer lost it.
    fn answered(&mut self, number: u64, outcome: Outcome) -> bool {
        let Some(waiting) = self.waiting.get_mut(&number) else { return false };
        match outcome {
            Ok(at) => {
                let end = at.plus(waiting.cells);
                self.told.raise(end);
                self.acknowledge();
                self.settle(number, Ok(at));
            }
            Err(unknown @ AppendError::Unknown(_)) if waiting.at.is_some() => {
                if self.is_listening && self.lost < LOST_MAX {
                    self.lost += 1;
                    waiting.lost = Some(unknown);
                    return true;
                }
                self.settle(number, Err(unknown));
            }
            Err(error) => self.settle(number, Err(error)),
        }
        false
    }

    /// Settles the appends below the known tail. Offsets rise with the numbers of the calls, so the first append that is
    /// not below it ends the search.
    fn acknowledge(&mut self) {
        let known_tail = self.told.known_tail();
        while let Some((number, waiting)) = self.waiting.first_key_value()
            && let Some(at) = waiting.at.filter(|at| at.plus(waiting.cells) <= known_tail)
        {
            let number = *number;
            self.settle(number, Ok(at));
        }
    }

    /// If the chain has ended the loglet, lets its end settle the appends whose offsets are known.
    fn leave_to_the_chain(&mut self) {
        if self.is_retired {
            let known: Vec<_> = self.waiting.iter().filter_map(|(number, w)| Some((*number, w.at?))).collect();
            known.into_iter().for_each(|(number, at)| self.settle(number, Err(AppendError::Undecided { at })));
        }
    }

    /// Ends those of the first `calls` appends that the sequencer lost.
    fn give_up(&mut self, calls: u64) {
        let lost: Vec<_> =
            self.waiting.range(..calls).filter_map(|(number, w)| Some((*number, w.lost.clone()?))).collect();
        lost.into_iter().for_each(|(number, why)| self.settle(number, Err(why)));
    }

    fn settle(&mut self, number: u64, outcome: Outcome) {
        if let Some(waiting) = self.waiting.remove(&number) {
            self.lost -= usize::from(waiting.lost.is_some());
            self.settled.push_back((waiting.done, outcome));
        }
    }
}

#[cfg(test)]
#[path = "direct_tests.rs"]
mod tests;
