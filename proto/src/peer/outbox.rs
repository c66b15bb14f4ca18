//! [`Outbox`]: the calls of one served stream that have no answer yet, and those whose answers were not sent yet.
//!
//! The two sorts of calls together have two bounds: one on their number, one on their bytes. When either is reached,
//! the server reads no further calls, HTTP/2 has no room for more, and the caller's lane fills. So a slow unit is felt
//! where the calls are made, and memory stays bounded.
//!
//! A call may have an early answer before its answer: see [`super::lane`].

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use tonic::Status;

use crate::peer::limits::{SERVED_BYTES_MAX, SERVED_CALLS_MAX};
use crate::peer::watched::Watched;

struct State<A> {
    /// Answers to send. There may be early answers among them.
    ready: Vec<(u64, A)>,
    /// How many answers in `ready` are not early.
    ready_calls: usize,
    /// The bytes of the calls whose answers are in `ready` and are not early.
    ready_bytes: usize,
    /// How many calls have no answer yet, or have their answer in `ready`.
    calls: usize,
    /// How many bytes these calls have.
    bytes: usize,
    /// Whether calls may still come.
    is_reading: bool,
    /// What the stream ends with, if it does not end well.
    end: Option<Status>,
    /// Nobody takes the answers any more.
    is_abandoned: bool,
}

/// The calls and answers of one served stream.
pub(super) struct Outbox<A> {
    state: Watched<State<A>>,
}

/// The place of one call, which is given back when its answer was sent.
pub(super) struct Slot<A> {
    outbox: Arc<Outbox<A>>,
    number: u64,
    bytes: usize,
}

/// Queues the early answer of one call. It takes no place of its own, because a call has one early answer at most.
pub(super) struct EarlySlot<A> {
    outbox: Arc<Outbox<A>>,
    number: u64,
}

/// Held by the task that reads the calls. Its drop notes that no calls come any more, however that task ends.
pub(super) struct Reading<A>(pub(super) Arc<Outbox<A>>);

/// Held by the stream of answers. Its drop notes that nobody takes answers any more.
struct Taking<A>(Arc<Outbox<A>>);

impl<A> Drop for Reading<A> {
    fn drop(&mut self) {
        self.0.state.change(|state| state.is_reading = false);
    }
}

impl<A> Drop for Taking<A> {
    fn drop(&mut self) {
        self.0.state.change(|state| state.is_abandoned = true);
    }
}

impl<A> Slot<A> {
    /// Queues the answer of the call.
    pub(super) fn answer(self, answer: A) {
        self.outbox.state.change(|state| {
            state.ready.push((self.number, answer));
            state.ready_calls += 1;
            state.ready_bytes += self.bytes;
        });
    }

    /// For an early answer to the call.
    pub(super) fn early(&self) -> EarlySlot<A> {
        EarlySlot { outbox: Arc::clone(&self.outbox), number: self.number }
    }
}

impl<A> EarlySlot<A> {
    /// Queues the early answer of the call.
    pub(super) fn answer(self, answer: A) {
        self.outbox.state.change(|state| state.ready.push((self.number, answer)));
    }
}

impl<A: Send + 'static> Outbox<A> {
    pub(super) fn new() -> Arc<Self> {
        let state = State {
            ready: Vec::new(),
            ready_calls: 0,
            ready_bytes: 0,
            calls: 0,
            bytes: 0,
            is_reading: true,
            end: None,
            is_abandoned: false,
        };
        Arc::new(Self { state: Watched::new(state) })
    }

    /// Waits for room for a call of `bytes` bytes. `None` if nobody takes answers any more.
    pub(super) async fn admit(self: &Arc<Self>, number: u64, bytes: usize) -> Option<Slot<A>> {
        let admitted = self.state.until(|state| {
            let fits = state.calls < SERVED_CALLS_MAX && state.bytes.saturating_add(bytes) <= SERVED_BYTES_MAX;
            // A call that is larger than the bound is served alone.
            if !state.is_abandoned && (fits || state.calls == 0) {
                state.calls += 1;
                state.bytes += bytes;
                return Some(true);
            }
            state.is_abandoned.then_some(false)
        });
        admitted.await.then(|| Slot { outbox: Arc::clone(self), number, bytes })
    }

    /// Waits until nobody takes answers any more.
    pub(super) async fn abandoned(&self) {
        self.state.until(|state| state.is_abandoned.then_some(())).await;
    }

    /// Ends the stream with `status`. Answers that are ready are sent before it.
    pub(super) fn fail(&self, status: Status) {
        self.state.change(|state| state.end = Some(status));
    }

    /// A stream of frames. Each frame has all answers that are ready when it is taken. The stream ends when no calls
    /// come any more and all are answered.
    pub(super) fn frames<F: Send + 'static>(
        self: Arc<Self>,
        frame: impl Fn(Vec<(u64, A)>) -> F + Send + Sync + 'static,
    ) -> BoxStream<'static, Result<F, Status>> {
        let frame = Arc::new(frame);
        Box::pin(stream::unfold(Some(Taking(self)), move |taking| {
            let frame = Arc::clone(&frame);
            async move {
                let taking = taking?;
                match taking.0.state.until(State::take).await {
                    Ok(answers) if answers.is_empty() => None,
                    Ok(answers) => Some((Ok(frame(answers)), Some(taking))),
                    Err(status) => Some((Err(status), None)),
                }
            }
        }))
    }
}

impl<A> State<A> {
    /// The answers that are ready. An empty list if the stream has ended well, an error if it ends with a status.
    /// `None` if the caller must wait.
    fn take(&mut self) -> Option<Result<Vec<(u64, A)>, Status>> {
        if !self.ready.is_empty() {
            let answers = std::mem::take(&mut self.ready);
            self.calls -= std::mem::take(&mut self.ready_calls);
            self.bytes -= std::mem::take(&mut self.ready_bytes);
            return Some(Ok(answers));
        }
        if let Some(status) = self.end.take() {
            return Some(Err(status));
        }
        (!self.is_reading && self.calls == 0).then(|| Ok(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    #[tokio::test]
    async fn calls_beyond_the_bound_wait_until_answers_are_taken() {
        let outbox = Outbox::<&str>::new();
        let mut frames = Arc::clone(&outbox).frames(|answers| answers);
        let reading = Reading(Arc::clone(&outbox));
        let first = outbox.admit(1, SERVED_BYTES_MAX + 1).await.expect("a large call is served alone");
        assert!(outbox.admit(2, 1).now_or_never().is_none(), "nothing is served beside it");
        first.answer("one");
        assert!(outbox.admit(2, 1).now_or_never().is_none(), "an answer that is queued but not sent keeps its place");
        assert_eq!(frames.next().await.unwrap().unwrap(), [(1, "one")]);
        let mut slots = Vec::new();
        for number in 0..SERVED_CALLS_MAX as u64 {
            slots.push(outbox.admit(number, 1).now_or_never().flatten().expect("there is room"));
        }
        assert!(outbox.admit(9, 1).now_or_never().is_none(), "no more calls are served at once");
        let last = slots.pop().expect("many slots");
        last.answer("last");
        slots.remove(0).answer("first");
        let answers = frames.next().await.unwrap().unwrap();
        assert_eq!(answers, [(SERVED_CALLS_MAX as u64 - 1, "last"), (0, "first")], "in the order of completion");
        let place = outbox.admit(8, 1).now_or_never().flatten().expect("two places were given back");
        place.early().answer("early");
        assert_eq!(frames.next().await.unwrap().unwrap(), [(8, "early")]);
        slots.push(place);
        assert!(outbox.admit(9, 1).now_or_never().flatten().is_some(), "the other place");
        assert!(outbox.admit(9, 1).now_or_never().is_none(), "an early answer gives no place back");
        drop(reading);
        assert!(frames.next().now_or_never().is_none(), "calls without an answer keep the stream open");
        drop(frames);
        outbox.abandoned().await;
        assert!(outbox.admit(1, 1).await.is_none(), "nobody takes the answers");
    }

    #[tokio::test]
    async fn a_stream_ends_well_or_with_a_status() {
        let outbox = Outbox::<&str>::new();
        let mut frames = Arc::clone(&outbox).frames(|answers| answers);
        drop(Reading(Arc::clone(&outbox)));
        assert!(frames.next().await.is_none());

        let outbox = Outbox::<&str>::new();
        let mut frames = Arc::clone(&outbox).frames(|answers| answers);
        outbox.admit(1, 1).await.expect("there is room").answer("one");
        outbox.fail(Status::invalid_argument("garbage"));
        assert_eq!(frames.next().await.unwrap().unwrap(), [(1, "one")]);
        assert_eq!(frames.next().await.unwrap().unwrap_err().message(), "garbage");
        assert!(frames.next().await.is_none());
    }
}
