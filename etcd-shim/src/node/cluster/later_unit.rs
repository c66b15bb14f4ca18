//! [`LaterUnit`]: a storage unit that a chain names, although this node does not know yet where that unit is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    CellState, Followed, LocalTail, Purpose, StorageUnit, Store, Stored, TailReaches, UnitError, UnitParams,
};
use naxos_proto::ids::{Incarnation, LogId, LogletId, Offset, StorageId};
use parking_lot::RwLock;

use super::remote::Remote;

/// Finds the unit at each call, and answers `Unanswered` as long as it is not known.
///
/// A node learns from the log which data directory has which seat, and it reads the log from units. So a node that
/// refused a loglet because one of its units is not known yet might never learn of that unit.
pub(super) struct LaterUnit {
    pub(super) storage: StorageId,
    pub(super) remotes: Arc<RwLock<BTreeMap<StorageId, Remote>>>,
}

impl LaterUnit {
    fn found(&self) -> Option<Arc<dyn StorageUnit>> {
        self.remotes.read().get(&self.storage).map(Remote::unit)
    }

    fn ask<T: Send + 'static>(
        &self,
        call: impl for<'u> FnOnce(&'u dyn StorageUnit) -> BoxFuture<'u, Result<T, UnitError>> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, UnitError>> {
        let found = self.found();
        Box::pin(async move {
            match found {
                Some(unit) => call(&*unit).await,
                None => Err(UnitError::Unanswered),
            }
        })
    }

    fn listen<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn StorageUnit) -> BoxStream<'static, Result<T, UnitError>>,
    ) -> BoxStream<'static, Result<T, UnitError>> {
        match self.found() {
            Some(unit) => call(&*unit),
            None => stream::once(std::future::ready(Err(UnitError::Unanswered))).boxed(),
        }
    }
}

impl StorageUnit for LaterUnit {
    fn storage_id(&self) -> StorageId {
        self.storage
    }

    fn open(&self, loglet: LogletId, params: UnitParams) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(move |unit| unit.open(loglet, params))
    }

    fn store(&self, store: Store, done: Completion<Result<Stored, UnitError>>) {
        match self.found() {
            Some(unit) => unit.store(store, done),
            None => done.complete(Err(UnitError::Unanswered)),
        }
    }

    fn read(
        &self,
        loglet: LogletId,
        range: Range<Offset>,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<CellState>, UnitError>> {
        self.ask(move |unit| unit.read(loglet, range, max_bytes))
    }

    fn fill(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        at: Offset,
        purpose: Purpose,
    ) -> BoxFuture<'_, Result<Stored, UnitError>> {
        self.ask(move |unit| unit.fill(loglet, incarnation, at, purpose))
    }

    fn seal(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.ask(move |unit| unit.seal(loglet))
    }

    fn trim(&self, loglet: LogletId, up_to: Offset) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(move |unit| unit.trim(loglet, up_to))
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.ask(move |unit| unit.tail(loglet))
    }

    fn tail_now(&self, _: LogletId) -> Option<Result<LocalTail, UnitError>> {
        None
    }

    fn wait_tail(&self, loglet: LogletId, until: TailReaches) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.ask(move |unit| unit.wait_tail(loglet, until))
    }

    fn tell_tails(&self, loglet: LogletId) -> BoxStream<'static, Result<LocalTail, UnitError>> {
        self.listen(|unit| unit.tell_tails(loglet))
    }

    fn held(&self, loglet: LogletId, range: Range<Offset>) -> BoxFuture<'_, Result<Vec<Range<Offset>>, UnitError>> {
        self.ask(move |unit| unit.held(loglet, range))
    }

    fn advance(&self, loglet: LogletId, known_tail: Offset) {
        if let Some(unit) = self.found() {
            unit.advance(loglet, known_tail);
        }
    }

    fn follow(&self, loglet: LogletId, from: Offset) -> BoxStream<'static, Result<Followed, UnitError>> {
        self.listen(|unit| unit.follow(loglet, from))
    }

    fn drop_loglet(&self, loglet: LogletId) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(move |unit| unit.drop_loglet(loglet))
    }

    fn raise_floor(&self, log: LogId, ordinal: u64) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(move |unit| unit.raise_floor(log, ordinal))
    }
}
