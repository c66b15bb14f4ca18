//! [`RemoteSequencer`]: the sequencer of another node.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::protocol::{Appends, Batch, client};
use crate::chain::LogletParams;
use crate::completion::Completion;
use crate::contracts::{AppendError, Cell, OnGrant, Refusal, Sequencer, UnitError};
use crate::ids::{Boot, Incarnation, LogletId, Offset};
use crate::peer::generated as wire;
use crate::peer::lane::{self, LaneError, LaneHandle, OnEarly};
use crate::peer::limits::{CALL_BYTES_MAX, CALL_MAX, CELL_OVERHEAD_BYTES};
use crate::peer::wire::Wire;
use crate::peer::{Failure, PeerLink};
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
}

impl Sequencer for RemoteSequencer {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn serve<'a>(&'a self, loglet: &'a LogletParams) -> BoxFuture<'a, Result<(), Refusal>> {
        let request = wire::ServeRequest {
            loglet: Some(loglet.id.to_wire()),
            kind: loglet.kind.0.into(),
            parameters: loglet.bytes.clone(),
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
        let request =
            wire::GrantRequest { loglet: Some(loglet.to_wire()), incarnation: Some(incarnation.to_wire()), count };
        let (mut client, request) = (client(&self.link), self.link.request(request));
        Box::pin(async move {
            let lost = |failure: Failure| AppendError::Unknown(failure.to_string());
            let answer = self.link.within(CALL_MAX, client.grant(request)).await.map_err(lost)?;
            match answer.answer {
                Some(wire::grant_answer::Answer::At(at)) => Ok(Offset(at)),
                Some(wire::grant_answer::Answer::Error(error)) => {
                    Err(AppendError::from_wire(error).unwrap_or_else(|_| broken()))
                }
                None => Err(broken()),
            }
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
