//! A storage unit that writes down what it is asked, and answers when the test says so.

use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    CellOutcome, CellState, Followed, LocalTail, Purpose, StorageUnit, Store, Stored, TailReaches, UnitError,
    UnitParams,
};
use naxos_proto::ids::{Incarnation, LogId, LogletId, Offset, StorageId};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::world::SERVER;

/// The tail in the answers. The second answer of `tell_tails` differs: it is sealed.
pub(crate) const TAIL: LocalTail =
    LocalTail { tail: Offset(5), known_tail: Offset(4), sealed: false, trim_point: Offset(3) };

pub(crate) struct FakeUnit {
    /// The calls in the order in which they began, each with its offset or ordinal, or 0 if it has neither.
    calls: Mutex<Vec<(&'static str, u64)>>,
    /// The stores that have no answer yet.
    held: Mutex<Vec<Completion<Result<Stored, UnitError>>>>,
    /// Whether calls are answered.
    answers: watch::Sender<bool>,
}

impl FakeUnit {
    /// A unit that answers at once, or not until it is told.
    pub(crate) fn new(answers: bool) -> Arc<Self> {
        Arc::new(Self { calls: Mutex::default(), held: Mutex::default(), answers: watch::Sender::new(answers) })
    }

    pub(crate) fn calls(&self) -> Vec<(&'static str, u64)> {
        self.calls.lock().clone()
    }

    /// Answers all calls from now on, and those that wait.
    pub(crate) fn answer(&self) {
        self.answers.send_replace(true);
        for done in self.held.lock().drain(..) {
            done.complete(written());
        }
    }

    /// Notes a call, and answers it when the unit answers.
    fn note<T: Send + 'static>(
        &self,
        call: &'static str,
        at: u64,
        answer: Result<T, UnitError>,
    ) -> BoxFuture<'static, Result<T, UnitError>> {
        self.calls.lock().push((call, at));
        let mut answers = self.answers.subscribe();
        Box::pin(async move {
            // The sender lives as long as the unit, and the unit outlives its calls.
            let _ = answers.wait_for(|answers| *answers).await;
            answer
        })
    }
}

fn written() -> Result<Stored, UnitError> {
    Ok(Stored { cells: vec![CellOutcome::Written], sealed: false })
}

impl StorageUnit for FakeUnit {
    fn storage_id(&self) -> StorageId {
        StorageId(SERVER)
    }

    fn open(&self, _: LogletId, _: UnitParams) -> BoxFuture<'_, Result<(), UnitError>> {
        self.note("open", 0, Ok(()))
    }

    fn store(&self, store: Store, done: Completion<Result<Stored, UnitError>>) {
        self.calls.lock().push(("store", store.at.0));
        if *self.answers.borrow() { done.complete(written()) } else { self.held.lock().push(done) }
    }

    fn read(&self, _: LogletId, range: Range<Offset>, _: usize) -> BoxFuture<'_, Result<Vec<CellState>, UnitError>> {
        self.note("read", range.start.0, Ok(vec![CellState::Junk]))
    }

    fn fill(
        &self,
        _: LogletId,
        _: Incarnation,
        at: Offset,
        purpose: Purpose,
    ) -> BoxFuture<'_, Result<Stored, UnitError>> {
        let sealed = purpose == Purpose::Repair;
        self.note("fill", at.0, Ok(Stored { cells: vec![CellOutcome::Gap], sealed }))
    }

    fn seal(&self, _: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.note("seal", 0, Ok(TAIL))
    }

    fn trim(&self, _: LogletId, up_to: Offset) -> BoxFuture<'_, Result<(), UnitError>> {
        self.note("trim", up_to.0, Ok(()))
    }

    fn tail(&self, _: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.note("tail", 0, Ok(TAIL))
    }

    fn tail_now(&self, _: LogletId) -> Option<Result<LocalTail, UnitError>> {
        Some(Ok(TAIL))
    }

    fn wait_tail(&self, _: LogletId, until: TailReaches) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        let (TailReaches::Local(offset) | TailReaches::Known(offset)) = until;
        self.note("wait_tail", offset.0, Ok(TAIL))
    }

    fn tell_tails(&self, _: LogletId) -> BoxStream<'static, Result<LocalTail, UnitError>> {
        let first = self.note("tell_tails", 0, Ok(TAIL));
        let sealed = LocalTail { sealed: true, ..TAIL };
        stream::once(first).chain(stream::iter([Ok(sealed), Err(UnitError::Stopped)])).boxed()
    }

    fn held(&self, _: LogletId, range: Range<Offset>) -> BoxFuture<'_, Result<Vec<Range<Offset>>, UnitError>> {
        self.note("held", range.start.0, Ok(vec![range]))
    }

    fn advance(&self, _: LogletId, known_tail: Offset) {
        self.calls.lock().push(("advance", known_tail.0));
    }

    fn follow(&self, _: LogletId, from: Offset) -> BoxStream<'static, Result<Followed, UnitError>> {
        let first = self.note("follow", from.0, Ok(Followed::KnownTail(from)));
        stream::once(first).chain(stream::iter([Ok(Followed::Sealed(from))])).boxed()
    }

    fn drop_loglet(&self, _: LogletId) -> BoxFuture<'_, Result<(), UnitError>> {
        self.note("drop", 0, Ok(()))
    }

    fn raise_floor(&self, _: LogId, ordinal: u64) -> BoxFuture<'_, Result<(), UnitError>> {
        self.note("raise_floor", ordinal, Ok(()))
    }
}
