//! [`State`]: the calls of a lane, those that are queued and those that were sent. Pure.

use std::collections::{BTreeMap, VecDeque};

use super::protocol::{LaneError, OnAnswer, OnEarly, Protocol};
use crate::peer::limits::{FRAME_BYTES, LANE_BYTES_MAX, LANE_CALLS_MAX};
use crate::seams::Instant;

/// A call without an answer.
struct Waiting<A> {
    deadline: Instant,
    bytes: usize,
    early: Option<OnEarly<A>>,
    answer: OnAnswer<A>,
}

/// The calls of a lane. Numbers rise in the order of the calls, and so do deadlines.
pub(super) struct State<P: Protocol> {
    /// All calls without an answer, by number.
    waiting: BTreeMap<u64, Waiting<P::Answer>>,
    /// The calls that no stream has taken, in order.
    queued: VecDeque<(u64, P::Call)>,
    /// The bytes of all calls in `waiting`.
    bytes: usize,
    /// The number of the next call.
    next: u64,
    hints: P::Hints,
    /// The number of the current stream. An older stream takes no more calls.
    stream: u64,
    is_closed: bool,
}

impl<P: Protocol> Default for State<P> {
    fn default() -> Self {
        let (waiting, queued, hints) = Default::default();
        Self { waiting, queued, bytes: 0, next: 1, hints, stream: 0, is_closed: false }
    }
}

impl<P: Protocol> State<P> {
    /// Takes a call in, or gives `answer` back with the reason why not.
    pub(super) fn push(
        &mut self,
        call: P::Call,
        bytes: usize,
        deadline: Instant,
        early: Option<OnEarly<P::Answer>>,
        answer: OnAnswer<P::Answer>,
    ) -> Result<(), (LaneError, OnAnswer<P::Answer>)> {
        if self.is_closed {
            return Err((LaneError::Lost, answer));
        }
        let is_full = self.waiting.len() >= LANE_CALLS_MAX || self.bytes.saturating_add(bytes) > LANE_BYTES_MAX;
        if is_full {
            return Err((LaneError::Full, answer));
        }
        let number = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.queued.push_back((number, call));
        self.waiting.insert(number, Waiting { deadline, bytes, early, answer });
        Ok(())
    }

    pub(super) fn hints(&mut self) -> &mut P::Hints {
        &mut self.hints
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether a stream would have something to send.
    pub(super) fn has_work(&self) -> bool {
        !self.queued.is_empty() || !P::is_silent(&self.hints)
    }

    /// Begins the next stream and returns its number.
    pub(super) fn begin_stream(&mut self) -> u64 {
        self.stream += 1;
        self.stream
    }

    pub(super) fn is_current(&self, stream: u64) -> bool {
        self.stream == stream && !self.is_closed
    }

    /// Takes the calls of the next frame, and all hints.
    pub(super) fn take_frame(&mut self) -> (P::Hints, Vec<(u64, P::Call)>) {
        let (mut calls, mut bytes) = (Vec::new(), 0);
        while bytes < FRAME_BYTES
            && let Some((number, call)) = self.queued.pop_front()
        {
            // A call that is queued has no answer yet, so it waits for one.
            bytes += self.waiting.get(&number).map_or(0, |waiting| waiting.bytes);
            calls.push((number, call));
        }
        (std::mem::take(&mut self.hints), calls)
    }

    /// Whether no stream has taken the call yet.
    fn is_queued(&self, number: u64) -> bool {
        self.queued.front().is_some_and(|(first_queued, _)| number >= *first_queued)
    }

    /// The callback that hears the early answer of the call `number`.
    pub(super) fn early(&mut self, number: u64) -> Option<OnEarly<P::Answer>> {
        if self.is_queued(number) { None } else { self.waiting.get_mut(&number)?.early.take() }
    }

    /// Removes the call `number`, which was answered. `None` if nobody waits for the answer any more. Also `None` if no
    /// stream has taken the call yet; then the call stays.
    pub(super) fn answered(&mut self, number: u64) -> Option<OnAnswer<P::Answer>> {
        // A peer that answers a call before the call was sent is wrong. The call still waits for its true answer.
        if self.is_queued(number) {
            return None;
        }
        let waiting = self.waiting.remove(&number)?;
        self.bytes -= waiting.bytes;
        Some(waiting.answer)
    }

    /// The deadline of the oldest call.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, oldest)| oldest.deadline)
    }

    /// Removes the calls whose deadline is not after `now`.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<OnAnswer<P::Answer>> {
        let mut expired = Vec::new();
        while let Some(oldest) = self.waiting.first_entry().filter(|oldest| oldest.get().deadline <= now) {
            let (number, waiting) = oldest.remove_entry();
            self.bytes -= waiting.bytes;
            expired.push(waiting.answer);
            if self.queued.front().is_some_and(|(first, _)| *first == number) {
                self.queued.pop_front();
            }
        }
        expired
    }

    /// Ends the current stream, so that it takes no more calls, and removes the calls that it took.
    pub(super) fn end_stream(&mut self) -> Vec<OnAnswer<P::Answer>> {
        self.stream += 1;
        let first_queued = self.queued.front().map_or(self.next, |(number, _)| *number);
        let kept = self.waiting.split_off(&first_queued);
        let lost = std::mem::replace(&mut self.waiting, kept);
        self.bytes = self.waiting.values().map(|waiting| waiting.bytes).sum();
        lost.into_values().map(|waiting| waiting.answer).collect()
    }

    /// Removes all calls.
    pub(super) fn lose_all(&mut self) -> Vec<OnAnswer<P::Answer>> {
        self.queued.clear();
        self.end_stream()
    }

    /// Removes all calls and takes no more.
    pub(super) fn close(&mut self) -> Vec<OnAnswer<P::Answer>> {
        self.is_closed = true;
        self.lose_all()
    }
}
