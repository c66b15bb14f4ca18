//! [`Lane`]: calls to one peer that must arrive in the order in which they are made.
//!
//! A lane sends its calls over one long-lived stream, many in a frame, so a call costs no HTTP/2 stream of its own.
//!
//! 1. [`Lane::call`] numbers the call and queues it. A lane that is full refuses it.
//! 2. When HTTP/2 has room for a frame, the stream takes what is queued, up to a limit in bytes ([`frames_of`]).
//! 3. An answer names the number of its call. Answers may come in any order. A call may have an early answer before its
//!    answer. Callers do not depend on early answers, so one may be lost.
//! 4. When the stream breaks, the outcome of the calls that were sent is unknown. What is still queued goes to the next
//!    stream, in order. When no stream can be opened, what is queued is lost too: its callers should hear soon that the
//!    peer is away.
//! 5. A call without an answer is lost at its deadline, whether it was sent or not.
//!
//! [`drive`] is the task that opens streams and hands out answers. No callback is called while the lane is locked.

mod drive;
mod frames;
mod frames_of;
mod protocol;
mod start;
mod state;

use crate::peer::Home;
use crate::peer::limits::CALL_MAX;
use crate::peer::watched::Watched;
pub(super) use frames::Frames;
pub(super) use protocol::{LaneError, OnAnswer, OnEarly, Protocol};
pub(super) use start::{LaneHandle, start};
use state::State;

/// The calls to one peer, over streams of protocol `P`.
pub(super) struct Lane<P: Protocol> {
    state: Watched<State<P>>,
    home: Home,
}

impl<P: Protocol> Lane<P> {
    /// Queues a call of `bytes` bytes. `answer` hears once, on any thread; a refusal is told before this returns.
    pub(super) fn call(&self, call: P::Call, bytes: usize, answer: OnAnswer<P::Answer>) {
        self.call_with_early(call, bytes, None, answer);
    }

    /// As [`Self::call`]. `early` hears the early answer, if there is one.
    pub(super) fn call_with_early(
        &self,
        call: P::Call,
        bytes: usize,
        early: Option<OnEarly<P::Answer>>,
        answer: OnAnswer<P::Answer>,
    ) {
        let deadline = self.home.clock.now().after(CALL_MAX);
        let pushed = self.state.change(|state| state.push(call, bytes, deadline, early, answer));
        if let Err((error, answer)) = pushed {
            answer(Err(error));
        }
    }

    /// Changes what the next frame tells beside its calls.
    pub(super) fn hint(&self, change: impl FnOnce(&mut P::Hints)) {
        self.state.change(|state| change(state.hints()));
    }

    /// Ends the lane: all calls are lost, and those that are made later too.
    fn close(&self) {
        lose(self.state.change(State::close));
    }
}

/// Tells the callers that the outcome is unknown.
fn lose<A>(lost: Vec<OnAnswer<A>>) {
    for answer in lost {
        answer(Err(LaneError::Lost));
    }
}
