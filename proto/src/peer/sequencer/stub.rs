//! [`RemoteSequencer`]: the sequencer of another node.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::protocol::{Appends, Batch, client};
use crate::chain::LogletParams;
use crate::completion::Completion;
use crate::contracts::{AppendError, Cell, OnGrant, Refusal, Sequencer, UnitError};
use crate::ids::{Boot, Incarnation, LogletId, Lsn, Offset, StreamId};
use crate::peer::generated as wire;
use crate::peer::lane::{self, LaneError, LaneHandle, OnEarly};
use crate::peer::limits::{CALL_BYTES_MAX, CALL_MAX, CELL_OVERHEAD_BYTES};
use crate::peer::wire::Wire;
use crate::peer::{Failure, PeerLink};
use crate::streams::StreamTails;
use crate::tail::Tail;

/// The sequencer of another node, in one life of its process.
///
/// An append whose answer does not come in time, or not before its stream breaks, ends as [`AppendError::Unknown`]. An
/// append is refused with [`Refusal::Overloaded`] while too many appends have no answer yet; it was not sent.
/// Completions are called on the runtime of the link; those of appends that were refused before they were sent, on the
/// caller's thread.
pub struct RemoteSequencer {
    link: Arc<PeerLink>,
    incarnation: Incarnation,
    lane: LaneHandle<Appends>,
}

/// An answer that no node of this version sends. The append may have happened.
fn broken() -> AppendError {
    AppendError::Unknown("the sequencer's answer is broken".to_owned())
}

fn outcome(answer: Result<wire::append_answer::Answer, LaneError>) -> Result<Offset, AppendError> {
    use wire::append_answer::Answer;
    match answer {
        Ok(Answer::At(at)) => Ok(Offset(at)),
        // A grant is no outcome, and comes as an early answer.
        Ok(Answer::Granted(_)) => Err(broken()),
        Ok(Answer::Error(error)) => Err(AppendError::from_wire(error).unwrap_or_else(|_| broken())),
        Err(LaneError::Full) => Err(AppendError::Refused(Refusal::Overloaded)),
        Err(LaneError::Lost) => Err(AppendError::Unknown("the sequencer did not answer".to_owned())),
    }
}

/// Passes a grant on.
fn early(granted: OnGrant) -> OnEarly<wire::append_answer::Answer> {
    Box::new(move |answer| {
        if let wire::append_answer::Answer::Granted(at) = answer {
            granted(Offset(at));
        }
    })
}

impl RemoteSequencer {
    /// The sequencer that runs in life `boot` of the peer of `link`. Must be made on the runtime that carries the link.
    /// When it is dropped, its appends that have no answer yet end as unknown.
    pub fn new(link: &Arc<PeerLink>, boot: Boot) -> Self {
        let incarnation = Incarnation { storage: link.peer(), boot };
        Self { link: Arc::clone(link), incarnation, lane: lane::start(link) }
    }

    /// Asks for `count` offsets. If any cell is in streams, `headers` has the header of each cell; else it is empty.
    fn ask_for_offsets(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        count: u32,
        headers: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<(Offset, Vec<Bytes>), AppendError>> {
        let (loglet, incarnation) = (Some(loglet.to_wire()), Some(incarnation.to_wire()));
        let request = wire::GrantRequest { loglet, incarnation, count, headers };
        let (mut client, request) = (client(&self.link), self.link.request(request));
        Box::pin(async move {
            let lost = |failure: Failure| AppendError::Unknown(failure.to_string());
            let wire::GrantAnswer { answer, headers } =
                self.link.within(CALL_MAX, client.grant(request)).await.map_err(lost)?;
            match answer {
                Some(wire::grant_answer::Answer::At(at)) => Ok((Offset(at), headers)),
                Some(wire::grant_answer::Answer::Error(error)) => {
                    Err(AppendError::from_wire(error).unwrap_or_else(|_| broken()))
                }
                None => Err(broken()),
            }
        })
    }
}

impl Sequencer for RemoteSequencer {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn serve<'a>(&'a self, loglet: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), Refusal>> {
        let request = wire::ServeRequest {
            loglet: Some(loglet.id.to_wire()),
            kind: loglet.kind.0.into(),
            parameters: loglet.bytes.clone(),
            start: start.0,
        };
        let (mut client, request) = (client(&self.link), self.link.request(request));
        Box::pin(async move {
            // The call may be repeated, so a lost one need not be told apart from one that was not done.
            let gone = |_: Failure| Refusal::NoSequencer(self.incarnation);
            let answer = self.link.within(CALL_MAX, client.serve(request)).await.map_err(gone)?;
            match answer.refused.map(Refusal::from_wire) {
                None => Ok(()),
                Some(Ok(refusal)) => Err(refusal),
                Some(Err(_)) => Err(Refusal::NoSequencer(self.incarnation)),
            }
        })
    }

    fn append(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        batch: Vec<Cell>,
        granted: Option<OnGrant>,
        done: Completion<Result<Offset, AppendError>>,
    ) {
        let bytes = CELL_OVERHEAD_BYTES * (batch.len() + 1) + batch.iter().map(|c| c.payload.len()).sum::<usize>();
        if bytes > CALL_BYTES_MAX {
            let refusal = Refusal::Unit(UnitError::Invalid("a store is larger than a batch"));
            return done.complete(Err(AppendError::Refused(refusal)));
        }
        let batch = Batch { loglet, incarnation, cells: batch };
        let answer = Box::new(move |answer| done.complete(outcome(answer)));
        self.lane.call_with_early(batch, bytes, granted.map(early), answer);
    }

    fn grant(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        count: u32,
    ) -> BoxFuture<'_, Result<Offset, AppendError>> {
        let granted = self.ask_for_offsets(loglet, incarnation, count, Vec::new());
        Box::pin(async move { Ok(granted.await?.0) })
    }

    fn grant_in_streams(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        headers: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<(Offset, Vec<Bytes>), AppendError>> {
        let (count, asked) = (u32::try_from(headers.len()).expect("a batch is small"), headers.len());
        let granted = self.ask_for_offsets(loglet, incarnation, count, headers);
        Box::pin(async move {
            granted.await.and_then(|found| if found.1.len() == asked { Ok(found) } else { Err(broken()) })
        })
    }

    fn stream_tails<'a>(&'a self, loglet: LogletId, streams: &'a [StreamId]) -> BoxFuture<'a, Option<StreamTails>> {
        let request = wire::StreamTailsRequest {
            loglet: Some(loglet.to_wire()),
            streams: streams.iter().map(|stream| stream.0).collect(),
        };
        let (mut client, request) = (client(&self.link), self.link.request(request));
        Box::pin(async move {
            let answer = self.link.within(CALL_MAX, client.stream_tails(request)).await.ok()?;
            let tails = StreamTails::from_wire(answer.tails?).ok()?;
            (tails.tails.len() == streams.len()).then_some(tails)
        })
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>> {
        let (mut client, request) = (client(&self.link), self.link.request(loglet.to_wire()));
        Box::pin(async move {
            let answer = self.link.within(CALL_MAX, client.tail(request)).await.ok()?;
            Option::from_wire(answer).ok().flatten()
        })
    }
}
