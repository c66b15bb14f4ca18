//! Keeps appends in order across a reconfiguration.
//!
//! While the gate is open, appends go straight to the active loglet. The gate closes when an append meets the end of the
//! loglet or a reconfiguration begins. New appends then queue after those that the old loglet did not take. When a
//! successor is installed and every append to the old loglet is settled, the queue goes to the successor, in order.
//!
//! An append that was in flight when the loglet was sealed is settled by the positions of its cells
//! (`docs/protocol.md`, cluster 10). If all of them are below the end of the segment in the chain, the append is done.
//! If all of them are at or above the end, the append is not done and goes to the successor. If the end is between
//! them, or if the segment has left the chain, the outcome of the append is unknown. If the loglet does not tell the
//! position in time, the outcome is unknown too, and the queue waits for that append no longer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use naxos_proto::completion::{Completion, ThreadLoad};
use naxos_proto::contracts::{APPEND_BYTES_MAX, AppendError, Cell, Refusal};
use naxos_proto::ids::{LogletId, Lsn, Offset};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::loglet::Loglet;

/// At most this many batches may wait for a successor. Further appends are refused.
const WAITING_MAX: usize = 8_192;

type Done = Completion<Result<Lsn, AppendError>>;
type Outcome = Result<Lsn, AppendError>;

/// An append that was asked for.
struct Asked {
    /// The number of the call.
    number: u64,
    batch: Vec<Cell>,
    done: Done,
}

/// The loglet to which appends go.
#[derive(Clone)]
struct Target {
    loglet: Arc<dyn Loglet>,
    start: Lsn,
}

/// The loglet to which appends go next.
struct Successor {
    target: Target,
    /// The end of the loglet that took appends before, as the chain has it. `None` if the chain does not name that
    /// loglet any more.
    old_end: Option<Offset>,
}

struct State {
    target: Target,
    closed: bool,
    /// Whether a thread is sending. That thread also sends what other threads queue meanwhile, which keeps the order
    /// of the calls.
    sending: bool,
    /// The next loglet. It takes appends once all appends to the old one are settled.
    successor: Option<Successor>,
    /// Appends that the loglet has not answered, by the numbers of their calls.
    in_flight: BTreeMap<u64, Asked>,
    /// Appends that the end of the segment will settle, with their first offsets.
    undecided: Vec<(Offset, Asked)>,
    /// How many calls there were.
    calls: u64,
    /// Appends that are certainly not in the old loglet, in the order in which that was found out. This may differ from
    /// the order of the calls. These appends are older than all in `queue` and are sent before them when the gate opens.
    returned: Vec<Asked>,
    /// Appends that were not sent yet, in the order of the calls.
    queue: VecDeque<Asked>,
}

/// The gate; see the module.
pub(crate) struct AppendGate {
    state: Mutex<State>,
    /// Called when an answer says that the loglet has ended, unless this is the last answer that an installed successor
    /// waited for. Also called by [`AppendGate::abandon`], if appends wait that only a successor can settle.
    on_end: Box<dyn Fn() + Send + Sync>,
    /// Notified when a successor begins to take appends.
    switched: Notify,
}

impl AppendGate {
    pub(crate) fn new(loglet: Arc<dyn Loglet>, start: Lsn, on_end: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        let state = State {
            target: Target { loglet, start },
            closed: false,
            sending: false,
            successor: None,
            in_flight: BTreeMap::new(),
            undecided: Vec::new(),
            calls: 0,
            returned: Vec::new(),
            queue: VecDeque::new(),
        };
        Arc::new(Self { state: Mutex::new(state), on_end, switched: Notify::new() })
    }

    /// The id of the loglet that takes appends, or took them until the gate was closed.
    pub(crate) fn loglet(&self) -> LogletId {
        self.state.lock().target.loglet.params().id
    }

    /// Whether appends wait that only a successor can settle.
    pub(crate) fn needs_successor(&self) -> bool {
        self.state.lock().needs_successor()
    }

    pub(crate) fn append(self: &Arc<Self>, batch: Vec<Cell>, done: Done) {
        let bytes = batch.iter().map(|cell| cell.payload.len()).sum::<usize>();
        if bytes > APPEND_BYTES_MAX {
            // A storage unit may refuse a batch of this size, and a call between nodes may have no room for it. The
            // loglet would find that out only after it has given offsets to the batch.
            let (bytes, bytes_max) = (bytes as u64, APPEND_BYTES_MAX as u64);
            return done.complete(Err(Refusal::TooLarge { bytes, bytes_max }.into()));
        }
        {
            let mut state = self.state.lock();
            if state.queue.len() >= WAITING_MAX {
                drop(state);
                done.complete(Err(Refusal::Overloaded.into()));
                return;
            }
            let number = state.calls;
            state.calls += 1;
            state.queue.push_back(Asked { number, batch, done });
        }
        self.send();
    }

    /// Sends the queued appends, unless the gate is closed or another thread is sending. The loglet is called without
    /// the lock, because it may answer during the call.
    fn send(self: &Arc<Self>) {
        let mut ours = false;
        loop {
            let (number, batch, target) = {
                let mut state = self.state.lock();
                if state.sending && !ours {
                    return;
                }
                if state.closed || state.queue.is_empty() {
                    state.sending = false;
                    return;
                }
                state.sending = true;
                ours = true;
                let asked = state.queue.pop_front().expect("looked at above");
                let (number, batch) = (asked.number, asked.batch.clone());
                state.in_flight.insert(number, asked);
                (number, batch, state.target.clone())
            };
            let gate = Arc::clone(self);
            let start = target.start;
            let answered = move |outcome: Result<Offset, AppendError>, load| {
                gate.answered(number, outcome.map(|offset| start.plus(offset.0)), load);
            };
            target.loglet.append(batch, Completion::on_thread(answered));
        }
    }

    fn answered(self: &Arc<Self>, number: u64, outcome: Outcome, load: ThreadLoad) {
        let has_ended = matches!(outcome, Err(AppendError::Sealed | AppendError::Undecided { .. }));
        let (settled, reopened) = {
            let mut state = self.state.lock();
            let Some(asked) = state.in_flight.remove(&number) else { return };
            state.closed |= has_ended;
            let settled = state.take(asked, outcome);
            (settled, state.reopen())
        };
        if let Some((done, outcome)) = settled {
            done.complete_on(outcome, load);
        }
        if reopened {
            self.reopened();
        } else if has_ended {
            (self.on_end)();
        }
    }

    fn reopened(self: &Arc<Self>) {
        self.send();
        self.switched.notify_waiters();
    }

    /// Closes the gate: from now on new appends wait.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Opens the gate again on the same loglet, because the reconfiguration did not happen. If appends wait that only a
    /// successor can settle, the gate stays closed and asks for a successor. Does nothing if a successor is installed.
    pub(crate) fn abandon(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            if state.successor.is_some() {
                return;
            }
            if !state.needs_successor() {
                state.closed = false;
            }
        }
        if self.needs_successor() {
            (self.on_end)();
        } else {
            self.send();
        }
    }

    /// Sends appends to `loglet` once all appends to the old one are settled. `old_end` is the end that the chain gives
    /// the old one, or `None` if the chain names it no more.
    pub(crate) fn switch(self: &Arc<Self>, loglet: Arc<dyn Loglet>, start: Lsn, old_end: Option<Offset>) {
        let (settled, reopened) = {
            let mut state = self.state.lock();
            state.closed = true;
            state.successor = Some(Successor { target: Target { loglet, start }, old_end });
            let mut undecided = std::mem::take(&mut state.undecided);
            undecided.sort_unstable_by_key(|(at, _)| *at);
            let settled: Vec<_> = undecided.into_iter().filter_map(|(at, asked)| state.decide(at, asked)).collect();
            (settled, state.reopen())
        };
        for (done, outcome) in settled {
            done.complete(outcome);
        }
        if reopened {
            self.reopened();
        }
    }

    /// Waits until the successor takes appends.
    pub(crate) async fn has_switched(&self) {
        loop {
            // Registered before the state is read, so that no change between the two is missed.
            let switched = self.switched.notified();
            if self.state.lock().successor.is_none() {
                return;
            }
            switched.await;
        }
    }

    /// Waits no longer for the old loglet's answers. The outcomes of the appends without an answer are unknown. Does
    /// nothing if no successor waits.
    pub(crate) fn give_up_old(self: &Arc<Self>) {
        let (given_up, reopened) = {
            let mut state = self.state.lock();
            if state.successor.is_none() {
                return;
            }
            (std::mem::take(&mut state.in_flight), state.reopen())
        };
        for asked in given_up.into_values() {
            let why = "the sequencer did not answer before another one took over";
            asked.done.complete(Err(AppendError::Unknown(why.to_owned())));
        }
        if reopened {
            self.reopened();
        }
    }
}

impl State {
    fn needs_successor(&self) -> bool {
        !self.returned.is_empty() || !self.undecided.is_empty()
    }

    /// Takes the answer to an append. Returns what its caller is to be told, if that is known now.
    fn take(&mut self, asked: Asked, outcome: Outcome) -> Option<(Done, Outcome)> {
        match outcome {
            Err(AppendError::Sealed) => self.returned.push(asked),
            Err(AppendError::Undecided { at }) if self.successor.is_some() => return self.decide(at, asked),
            Err(AppendError::Undecided { at }) => self.undecided.push((at, asked)),
            outcome => return Some((asked.done, outcome)),
        }
        None
    }

    /// Settles an append at `at` of the old loglet by the end of its segment. Returns what its caller is to be told,
    /// unless it goes to the successor.
    fn decide(&mut self, at: Offset, asked: Asked) -> Option<(Done, Outcome)> {
        let unknown = |why: &str| Some(Err(AppendError::Unknown(why.to_owned())));
        let old_end = self.successor.as_ref().and_then(|s| s.old_end);
        let outcome = match old_end {
            Some(end) if at.plus(asked.batch.len() as u64) <= end => Some(Ok(self.target.start.plus(at.0))),
            Some(end) if at >= end => None,
            Some(_) => unknown("the segment ended within the batch"),
            None => unknown("the segment has left the chain"),
        };
        match outcome {
            Some(outcome) => Some((asked.done, outcome)),
            None => {
                self.returned.push(asked);
                None
            }
        }
    }

    fn reopen(&mut self) -> bool {
        if !self.in_flight.is_empty() {
            return false;
        }
        let Some(successor) = self.successor.take() else { return false };
        self.target = successor.target;
        self.closed = false;
        self.returned.sort_unstable_by_key(|append| append.number);
        while let Some(append) = self.returned.pop() {
            self.queue.push_front(append);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt;
    use futures::future::BoxFuture;
    use naxos_proto::chain::{LogletKind, LogletParams};
    use naxos_proto::ids::LogletId;

    use super::*;
    use crate::loglet::LogletProvider;
    use crate::loglets::MemoryProvider;

    fn memory(ordinal: u64) -> Arc<dyn Loglet> {
        let id = LogletId { ordinal, ..LogletId::default() };
        let params = LogletParams { id, kind: LogletKind::MEMORY, bytes: Bytes::new() };
        MemoryProvider::default().open(&params).expect("memory opens")
    }

    fn cell(number: u8) -> Cell {
        Cell::new(Bytes::copy_from_slice(&[number]))
    }

    /// An append of `cells` cells that the loglet has not answered.
    fn in_flight(gate: &AppendGate, number: u64, cells: u8) -> BoxFuture<'static, Outcome> {
        let (done, outcome) = Completion::channel();
        let mut state = gate.state.lock();
        state.calls = state.calls.max(number + 1);
        let asked = Asked { number, batch: (0..cells).map(cell).collect(), done };
        state.in_flight.insert(number, asked);
        outcome
    }

    #[tokio::test]
    async fn appends_that_were_refused_in_another_order_go_to_the_successor_in_the_order_of_the_calls() {
        let gate = AppendGate::new(memory(1), Lsn::ZERO, Box::new(|| ()));
        let outcomes: Vec<_> = (0..4).map(|number| in_flight(&gate, number, 1)).collect();
        // A loglet does not have to answer in the order of the calls. It may refuse a newer append first.
        for number in [3, 0, 2, 1] {
            gate.answered(number, Err(AppendError::Sealed), ThreadLoad::Busy);
        }
        gate.switch(memory(2), Lsn(10), Some(Offset(0)));
        for (outcome, lsn) in outcomes.into_iter().zip(10..) {
            assert_eq!(outcome.await, Ok(Lsn(lsn)));
        }
    }

    #[tokio::test]
    async fn rule_10_the_end_of_the_segment_settles_what_was_in_flight() {
        let gate = AppendGate::new(memory(1), Lsn(100), Box::new(|| ()));
        let below = in_flight(&gate, 0, 2);
        let across = in_flight(&gate, 1, 2);
        let above = in_flight(&gate, 2, 1);
        let late = in_flight(&gate, 3, 1);
        let undecided = |at| Err(AppendError::Undecided { at: Offset(at) });
        for (number, at) in [(1, 2), (2, 4), (0, 0)] {
            gate.answered(number, undecided(at), ThreadLoad::Busy);
        }
        assert!(gate.needs_successor());
        gate.abandon();
        let (done, waits) = Completion::channel();
        gate.append(vec![cell(9)], done);
        gate.switch(memory(2), Lsn(103), Some(Offset(3)));
        assert_eq!(below.await, Ok(Lsn(100)));
        assert!(matches!(across.await, Err(AppendError::Unknown(_))), "one of its two cells is in the log");
        // This answer comes after the successor was installed.
        gate.answered(3, undecided(5), ThreadLoad::Busy);
        for (outcome, lsn) in [above, late, waits].into_iter().zip(103..) {
            assert_eq!(outcome.await, Ok(Lsn(lsn)));
        }
    }

    #[tokio::test]
    async fn a_sequencer_that_does_not_answer_holds_up_nothing() {
        let gate = AppendGate::new(memory(1), Lsn::ZERO, Box::new(|| ()));
        let lost = in_flight(&gate, 0, 1);
        gate.close();
        let (done, waits) = Completion::channel();
        gate.append(vec![cell(9)], done);
        gate.switch(memory(2), Lsn(7), Some(Offset(7)));
        assert_eq!(gate.has_switched().now_or_never(), None);
        gate.give_up_old();
        gate.has_switched().await;
        assert!(matches!(lost.await, Err(AppendError::Unknown(_))));
        assert_eq!(waits.await, Ok(Lsn(7)));
        // The old sequencer wakes up. Its answer must not be taken for one of the successor.
        gate.answered(0, Err(AppendError::Sealed), ThreadLoad::Busy);
        assert!(!gate.needs_successor());
        let (done, next) = Completion::channel();
        gate.append(vec![cell(10)], done);
        gate.give_up_old();
        assert_eq!(next.await, Ok(Lsn(8)));
    }

    #[tokio::test]
    async fn rule_12_a_log_without_successor_lets_a_bounded_number_of_appends_wait() {
        let gate = AppendGate::new(memory(1), Lsn::ZERO, Box::new(|| ()));
        gate.close();
        let append = || {
            let (done, outcome) = Completion::channel();
            gate.append(Vec::new(), done);
            outcome
        };
        let waiting: Vec<_> = (0..WAITING_MAX).map(|_| append()).collect();
        assert_eq!(append().now_or_never(), Some(Err(AppendError::Refused(Refusal::Overloaded))));
        gate.abandon();
        for outcome in waiting {
            assert_eq!(outcome.await, Ok(Lsn::ZERO));
        }
        assert!(append().await.is_ok(), "an open gate takes appends again");
    }
}
