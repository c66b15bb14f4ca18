//! [`Writer`]: the appends of this process to one loglet.
//!
//! The order of the calls is the order in the log. An append that is too late for its offset gets another, higher offset.
//! So the next append gets its offset only after the first unit has decided about the append before it. While one append
//! is placed, earlier appends are passed on along the chain. Outcomes are told in the order of the calls.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use futures::future::{BoxFuture, ready};
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, Refusal};
use naxos_proto::ids::Offset;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::place::Placed;
use super::unit_chain::UnitChain;
use super::writers::Writers;

/// At most this many appends may wait for their offsets. Further ones are refused.
const WAITING_MAX: usize = 4_096;
/// At most this many appends are passed on at a time.
const PASSING_MAX: usize = 64;

type Outcome = Result<Offset, AppendError>;
type Done = Completion<Outcome>;

struct Asked {
    batch: Vec<Cell>,
    done: Done,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Asked>,
    /// Whether [`Writers`] runs this writer, or is going to.
    is_running: bool,
}

/// See the module.
pub(super) struct Writer {
    chain: Arc<UnitChain>,
    writers: Weak<Writers>,
    state: Mutex<State>,
    changed: Notify,
}

impl Writer {
    pub(super) fn new(chain: Arc<UnitChain>, writers: &Arc<Writers>) -> Arc<Self> {
        let (writers, state, changed) = (Arc::downgrade(writers), Mutex::default(), Notify::new());
        Arc::new(Self { chain, writers, state, changed })
    }

    /// Takes an append. The order of the calls is the order in the loglet.
    pub(super) fn append(self: &Arc<Self>, batch: Vec<Cell>, done: Done) {
        // If nobody runs writers any more, the outcome is unknown, as for every append that the stop interrupted.
        let Some(writers) = self.writers.upgrade().filter(|writers| !writers.are_stopped()) else { return };
        if batch.is_empty() {
            let refusal = Refusal::Unsupported("an append has at least one cell".to_owned());
            return done.complete(Err(refusal.into()));
        }
        let (begins, refused) = {
            let mut state = self.state.lock();
            match self.refusal(&state) {
                Some(refusal) => (false, Some((done, refusal))),
                None => {
                    state.waiting.push_back(Asked { batch, done });
                    (!std::mem::replace(&mut state.is_running, true), None)
                }
            }
        };
        if let Some((done, refusal)) = refused {
            return done.complete(Err(refusal.into()));
        }
        if begins {
            writers.begin(Arc::clone(self));
        }
        self.changed.notify_one();
        if writers.are_stopped() {
            self.give_up();
        }
    }

    /// Why no append is taken now. `None` if one is taken. While a unit's disk is full, an append is refused before it
    /// gets an offset (`docs/protocol.md`, cluster 2). This holds only while the writer runs: then an earlier append is
    /// being tried again, and its success shows that there is room.
    fn refusal(&self, state: &State) -> Option<Refusal> {
        if state.waiting.len() >= WAITING_MAX {
            return Some(Refusal::Overloaded);
        }
        self.chain.full().filter(|_| state.is_running && !self.chain.is_ended())
    }

    /// Whether this writer has work.
    pub(super) fn is_running(&self) -> bool {
        self.state.lock().is_running
    }

    /// Drops all appends that wait, because nobody runs writers any more. Their outcomes are unknown.
    pub(super) fn give_up(&self) {
        // The completions run without the lock.
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        drop(waiting);
    }

    fn next(&self) -> Option<Asked> {
        self.state.lock().waiting.pop_front()
    }

    /// Ends the work if no append waits. Returns whether it has ended.
    fn rests(&self) -> bool {
        let mut state = self.state.lock();
        state.is_running = !state.waiting.is_empty();
        !state.is_running
    }

    /// Writes until no append waits and every outcome is told. If the future is dropped, the outcomes of the appends that
    /// it has begun are unknown.
    pub(super) async fn run(self: Arc<Self>) {
        let mut placing: Option<BoxFuture<'static, (Asked, Result<Placed, AppendError>)>> = None;
        let mut passing: FuturesOrdered<BoxFuture<'static, (Done, Outcome)>> = FuturesOrdered::new();
        loop {
            if placing.is_none() && passing.len() < PASSING_MAX {
                placing = self.next().map(|asked| place(Arc::clone(&self.chain), asked).boxed());
            }
            if placing.is_none() && passing.is_empty() {
                self.chain.tell_known_tail();
                if self.rests() {
                    return;
                }
                continue;
            }
            tokio::select! {
                biased;
                Some((done, outcome)) = passing.next(), if !passing.is_empty() => done.complete(outcome),
                (asked, placed) = async { placing.as_mut().expect("an append is placed").await }, if placing.is_some() => {
                    placing = None;
                    passing.push_back(pass(Arc::clone(&self.chain), asked, placed));
                }
                () = self.changed.notified(), if placing.is_none() && passing.len() < PASSING_MAX => {}
            }
        }
    }
}

async fn place(chain: Arc<UnitChain>, mut asked: Asked) -> (Asked, Result<Placed, AppendError>) {
    let placed = chain.place(&mut asked.batch).await;
    (asked, placed)
}

fn pass(
    chain: Arc<UnitChain>,
    Asked { batch, done }: Asked,
    placed: Result<Placed, AppendError>,
) -> BoxFuture<'static, (Done, Outcome)> {
    match placed {
        Ok(Placed { at, from }) => async move { (done, chain.pass_append(at, batch, from).await) }.boxed(),
        // The newest offset of the stream may be a hole that nobody will write. The tail does not pass a hole, so the
        // caller would name a position below it again, and be refused again. So holes are settled before the answer.
        Err(outcome @ AppendError::Refused(Refusal::StreamChanged(_))) => async move {
            chain.settle_granted().await;
            (done, Err(outcome))
        }
        .boxed(),
        Err(outcome) => ready((done, Err(outcome))).boxed(),
    }
}
