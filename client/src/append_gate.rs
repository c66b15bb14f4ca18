//! Keeps appends in order across a reconfiguration.
//!
//! While the gate is open, appends go straight to the active loglet. The gate closes when an append is answered
//! `Sealed` or a reconfiguration begins. New appends then queue after those that the old loglet did not take. When a
//! successor is installed and the old loglet has answered every append, the queue goes to the successor, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, Refusal};
use naxos_proto::ids::{Lsn, Offset};
use parking_lot::Mutex;

use crate::loglet::Loglet;

/// At most this many batches may wait for a successor. Further appends are refused.
const WAITING_MAX: usize = 8_192;

type Done = Completion<Result<Lsn, AppendError>>;

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

struct State {
    target: Target,
    closed: bool,
    /// Whether a thread is sending. That thread also sends what other threads queue meanwhile, which keeps the order
    /// of the calls.
    sending: bool,
    /// The next loglet. It takes appends once the old one has answered all of its own.
    successor: Option<Target>,
    in_flight: usize,
    /// How many calls there were.
    calls: u64,
    /// Appends that were answered `Sealed`, in the order of the answers. That order may differ from the order of the
    /// calls. These appends are older than all appends in `queue` and are sent before them when the gate opens.
    returned: Vec<Asked>,
    /// Appends that were not sent yet, in the order of the calls.
    queue: VecDeque<Asked>,
}

/// The gate; see the module.
pub(crate) struct AppendGate {
    state: Mutex<State>,
    /// Called when an append is answered `Sealed`, unless this answer is the last one and a successor is installed.
    on_seal: Box<dyn Fn() + Send + Sync>,
}

impl AppendGate {
    pub(crate) fn new(loglet: Arc<dyn Loglet>, start: Lsn, on_seal: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        let state = State {
            target: Target { loglet, start },
            closed: false,
            sending: false,
            successor: None,
            in_flight: 0,
            calls: 0,
            returned: Vec::new(),
            queue: VecDeque::new(),
        };
        Arc::new(Self { state: Mutex::new(state), on_seal })
    }

    pub(crate) fn append(self: &Arc<Self>, batch: Vec<Cell>, done: Done) {
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
            let (Asked { number, batch, done }, target) = {
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
                state.in_flight += 1;
                (state.queue.pop_front().expect("looked at above"), state.target.clone())
            };
            let gate = Arc::clone(self);
            let kept = batch.clone();
            let answered = move |outcome: Result<Offset, AppendError>, load| match outcome {
                Ok(offset) => {
                    gate.answered(None);
                    done.complete_on(Ok(target.start.plus(offset.0)), load);
                }
                Err(AppendError::Sealed) => gate.answered(Some(Asked { number, batch: kept, done })),
                Err(other) => {
                    gate.answered(None);
                    done.complete_on(Err(other), load);
                }
            };
            target.loglet.append(batch, Completion::on_thread(answered));
        }
    }

    fn answered(self: &Arc<Self>, not_done: Option<Asked>) {
        let sealed = not_done.is_some();
        let reopened = {
            let mut state = self.state.lock();
            state.in_flight -= 1;
            state.closed |= sealed;
            state.returned.extend(not_done);
            state.reopen()
        };
        if reopened {
            self.send();
        } else if sealed {
            (self.on_seal)();
        }
    }

    /// Closes the gate: from now on new appends wait.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Opens the gate again on the same loglet, because the reconfiguration did not happen.
    pub(crate) fn abandon(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            if state.successor.is_some() {
                return;
            }
            state.release();
        }
        self.send();
    }

    /// Sends appends to `loglet` once the old one has answered all of its own.
    pub(crate) fn switch(self: &Arc<Self>, loglet: Arc<dyn Loglet>, start: Lsn) {
        let reopened = {
            let mut state = self.state.lock();
            state.closed = true;
            state.successor = Some(Target { loglet, start });
            state.reopen()
        };
        if reopened {
            self.send();
        }
    }
}

impl State {
    fn reopen(&mut self) -> bool {
        if self.in_flight > 0 {
            return false;
        }
        let Some(target) = self.successor.take() else { return false };
        self.target = target;
        self.release();
        true
    }

    fn release(&mut self) {
        self.closed = false;
        self.returned.sort_unstable_by_key(|append| append.number);
        while let Some(append) = self.returned.pop() {
            self.queue.push_front(append);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt;
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
        Cell { payload: Bytes::copy_from_slice(&[number]), commands: 1 }
    }

    #[tokio::test]
    async fn appends_that_were_refused_in_another_order_go_to_the_successor_in_the_order_of_the_calls() {
        let gate = AppendGate::new(memory(1), Lsn::ZERO, Box::new(|| ()));
        let ask = |number: u8| {
            let (done, outcome) = Completion::channel();
            (Asked { number: number.into(), batch: vec![cell(number)], done }, outcome)
        };
        let (asked, outcomes): (Vec<_>, Vec<_>) = (0..4).map(ask).unzip();
        gate.state.lock().in_flight = 4;
        // A loglet does not have to answer in the order of the calls. It may refuse a newer append first.
        let mut asked: Vec<_> = asked.into_iter().map(Some).collect();
        for number in [3, 0, 2, 1] {
            gate.answered(asked[number].take());
        }
        gate.switch(memory(2), Lsn(10));
        for (outcome, lsn) in outcomes.into_iter().zip(10..) {
            assert_eq!(outcome.await, Ok(Lsn(lsn)));
        }
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
