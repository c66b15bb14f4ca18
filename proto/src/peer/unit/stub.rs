//! [`RemoteUnit`]: a storage unit of another node.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tonic::{Response, Status};

use super::protocol::{Changes, client};
use super::streams::{follow, tell_tails};
use crate::completion::Completion;
use crate::contracts::{
    CellState, Followed, LocalTail, Purpose, StorageUnit, Store, Stored, TailReaches, UnitError, UnitParams,
};
use crate::ids::{Incarnation, LogId, LogletId, Offset, StorageId};
use crate::peer::generated as wire;
use crate::peer::lane::{self, LaneError, LaneHandle};
use crate::peer::limits::{ADVANCES_MAX, CALL_BYTES_MAX, CALL_MAX, CELL_OVERHEAD_BYTES, READ_BYTES_MAX, WAIT_ROUND};
use crate::peer::wire::{Garbage, Wire, states_from_wire};
use crate::peer::{Failure, PeerLink};
use wire::unit_answer::Answer;
use wire::unit_call::Call;

/// A storage unit of another node.
///
/// A call is answered with [`UnitError::Unanswered`] if its answer does not come in time, or if its stream breaks
/// before the answer comes. While too many calls have no answer yet, a further call is not sent, and is answered with
/// [`UnitError::Overloaded`]. [`PeerLink::problem`] says in words why there was no answer.
///
/// Completions are called on the runtime of the link, those of refused calls on the caller's thread.
pub struct RemoteUnit {
    link: Arc<PeerLink>,
    lane: LaneHandle<Changes>,
}

fn unit_error(error: LaneError) -> UnitError {
    match error {
        LaneError::Full => UnitError::Overloaded,
        LaneError::Lost => UnitError::Unanswered,
    }
}

/// A failure of a call that changes nothing: the caller learns no more than that there was no answer.
fn unanswered(_: Failure) -> UnitError {
    UnitError::Unanswered
}

/// An error that the unit told. If the message is no valid error, nobody can tell what the unit did.
fn told(error: wire::UnitError) -> UnitError {
    UnitError::from_wire(error).unwrap_or(UnitError::Unanswered)
}

/// The value of an answer. `pick` chooses the kind of answer that belongs to the call.
fn value<T>(answer: Result<Answer, LaneError>, pick: fn(Answer) -> Result<T, Garbage>) -> Result<T, UnitError> {
    match answer.map_err(unit_error)? {
        Answer::Error(error) => Err(told(error)),
        // The unit may have done what it was asked, but nobody can tell.
        answer => pick(answer).map_err(|_| UnitError::Unanswered),
    }
}

/// An answer of another kind than its call.
const OTHER_KIND: Garbage = Garbage("the answer that belongs to the call");

fn stored(answer: Answer) -> Result<Stored, Garbage> {
    if let Answer::Stored(m) = answer { Stored::from_wire(m) } else { Err(OTHER_KIND) }
}

fn tail(answer: Answer) -> Result<LocalTail, Garbage> {
    if let Answer::Tail(m) = answer { LocalTail::from_wire(m) } else { Err(OTHER_KIND) }
}

fn done(answer: Answer) -> Result<(), Garbage> {
    if let Answer::Done(_) = answer { Ok(()) } else { Err(OTHER_KIND) }
}

impl RemoteUnit {
    /// The unit of the peer of `link`. Must be made on the runtime that carries the link. When the unit is dropped, its
    /// calls that have no answer yet are lost.
    pub fn new(link: &Arc<PeerLink>) -> Self {
        Self { link: Arc::clone(link), lane: lane::start(link) }
    }

    /// Queues a call at once; the returned future only waits for the answer.
    fn ask<T: Send + 'static>(
        &self,
        call: Call,
        pick: fn(Answer) -> Result<T, Garbage>,
    ) -> BoxFuture<'static, Result<T, UnitError>> {
        let (completion, outcome) = Completion::channel();
        self.lane.call(call, CELL_OVERHEAD_BYTES, Box::new(move |answer| completion.complete(value(answer, pick))));
        outcome
    }

    /// Waits for the answer of a unary call.
    async fn unary<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, UnitError> {
        self.link.within(CALL_MAX, call).await.map_err(unanswered)
    }
}

impl StorageUnit for RemoteUnit {
    fn storage_id(&self) -> StorageId {
        self.link.peer()
    }

    fn open(&self, loglet: LogletId, params: UnitParams) -> BoxFuture<'_, Result<(), UnitError>> {
        let (loglet, shape, incarnation) =
            (Some(loglet.to_wire()), params.shape.to_wire(), Some(params.incarnation.to_wire()));
        self.ask(Call::Open(wire::Open { loglet, shape, incarnation }), done)
    }

    fn store(&self, store: Store, done: Completion<Result<Stored, UnitError>>) {
        let bytes = store.cells.iter().map(|cell| cell.payload.len() + CELL_OVERHEAD_BYTES).sum::<usize>()
            + CELL_OVERHEAD_BYTES;
        if bytes > CALL_BYTES_MAX {
            return done.complete(Err(UnitError::Invalid("a store is larger than a batch")));
        }
        let answer = Box::new(move |answer| done.complete(value(answer, stored)));
        self.lane.call(Call::Store(store.to_wire()), bytes, answer);
    }

    fn read(
        &self,
        loglet: LogletId,
        range: Range<Offset>,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<CellState>, UnitError>> {
        let bytes_max = max_bytes.min(READ_BYTES_MAX) as u64;
        let (start, end) = (range.start.0, range.end.0);
        let request = wire::ReadRequest { loglet: Some(loglet.to_wire()), start, end, bytes_max };
        let (mut client, request) = (client(&self.link), self.link.request(request));
        Box::pin(async move {
            match self.unary(client.read(request)).await?.answer {
                Some(wire::read_answer::Answer::Cells(m)) => {
                    states_from_wire(m.cells).map_err(|_| UnitError::Unanswered)
                }
                Some(wire::read_answer::Answer::Error(error)) => Err(told(error)),
                None => Err(UnitError::Unanswered),
            }
        })
    }

    fn fill(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        at: Offset,
        purpose: Purpose,
    ) -> BoxFuture<'_, Result<Stored, UnitError>> {
        let (loglet, incarnation) = (Some(loglet.to_wire()), Some(incarnation.to_wire()));
        let purpose = Some(match purpose {
            Purpose::Append { known_tail } => wire::fill::Purpose::Append(known_tail.0),
            Purpose::Repair => wire::fill::Purpose::Repair(wire::Nothing {}),
        });
        self.ask(Call::Fill(wire::Fill { loglet, incarnation, at: at.0, purpose }), stored)
    }

    fn seal(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.ask(Call::Seal(loglet.to_wire()), tail)
    }

    fn trim(&self, loglet: LogletId, up_to: Offset) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(Call::Trim(wire::Trim { loglet: Some(loglet.to_wire()), up_to: up_to.0 }), done)
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.ask(Call::Tail(loglet.to_wire()), tail)
    }

    fn tail_now(&self, _: LogletId) -> Option<Result<LocalTail, UnitError>> {
        None
    }

    fn wait_tail(&self, loglet: LogletId, until: TailReaches) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        let request = wire::WaitTailRequest { loglet: Some(loglet.to_wire()), until: Some(until.to_wire()) };
        Box::pin(async move {
            loop {
                let mut client = client(&self.link);
                let call = client.wait_tail(self.link.request(request));
                let answer = self.link.within(WAIT_ROUND + CALL_MAX, call).await.map_err(unanswered)?;
                return match answer.answer {
                    Some(wire::wait_tail_answer::Answer::NotYet(_)) => continue,
                    Some(wire::wait_tail_answer::Answer::Tail(m)) => {
                        LocalTail::from_wire(m).map_err(|_| UnitError::Unanswered)
                    }
                    Some(wire::wait_tail_answer::Answer::Error(error)) => Err(told(error)),
                    None => Err(UnitError::Unanswered),
                };
            }
        })
    }

    fn tell_tails(&self, loglet: LogletId) -> BoxStream<'static, Result<LocalTail, UnitError>> {
        tell_tails(Arc::clone(&self.link), loglet)
    }

    fn held(&self, loglet: LogletId, range: Range<Offset>) -> BoxFuture<'_, Result<Vec<Range<Offset>>, UnitError>> {
        let request = wire::HeldRequest { loglet: Some(loglet.to_wire()), start: range.start.0, end: range.end.0 };
        let (mut client, request) = (client(&self.link), self.link.request(request));
        Box::pin(async move {
            match self.unary(client.held(request)).await?.answer {
                Some(wire::held_answer::Answer::Held(m)) => {
                    Ok(m.ranges.into_iter().map(|range| Offset(range.start)..Offset(range.end)).collect())
                }
                Some(wire::held_answer::Answer::Error(error)) => Err(told(error)),
                None => Err(UnitError::Unanswered),
            }
        })
    }

    fn advance(&self, loglet: LogletId, known_tail: Offset) {
        self.lane.hint(|tails| {
            if tails.len() < ADVANCES_MAX || tails.contains_key(&loglet) {
                let waiting = tails.entry(loglet).or_default();
                *waiting = known_tail.max(*waiting);
            }
        });
    }

    fn follow(&self, loglet: LogletId, from: Offset) -> BoxStream<'static, Result<Followed, UnitError>> {
        follow(Arc::clone(&self.link), loglet, from)
    }

    fn drop_loglet(&self, loglet: LogletId) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(Call::Drop(loglet.to_wire()), done)
    }

    fn raise_floor(&self, log: LogId, ordinal: u64) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(Call::RaiseFloor(wire::RaiseFloor { log: log.0, ordinal }), done)
    }
}
