//! [`UnreliableUnit`]: a storage unit behind a bad network.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{TaskWorker, Weather};
use crate::completion::Completion;
use crate::contracts::{
    CellState, Followed, LocalTail, Purpose, StorageUnit, Store, Stored, TailReaches, UnitError, UnitParams,
};
use crate::ids::{Incarnation, LogId, LogletId, Offset, StorageId};
use crate::seams::{Clock, Worker};
use crate::splitmix::SplitMix64;

/// The fate of a call, drawn when it is made.
#[derive(Clone, Copy, Debug)]
struct Fate {
    is_lost: bool,
    is_answered: bool,
    /// How long the call takes to arrive.
    there: Duration,
    /// How long the answer takes.
    back: Duration,
    /// If the call arrives a second time, how long that takes.
    again: Option<Duration>,
}

/// Passes calls on to a unit, but loses, repeats and delays them, and loses answers, as [`Weather`] says. If a call or
/// its answer is lost, the caller gets [`UnitError::Unanswered`] after the delays. Tails that the unit tells are
/// delayed too, and all but the last one may be lost. Streams of [`StorageUnit::follow`] are passed on unchanged.
///
/// [`StorageUnit::tail_now`] answers `None`, because only a unit in the caller's process can answer without a message.
pub struct UnreliableUnit {
    unit: Arc<dyn StorageUnit>,
    clock: Arc<dyn Clock>,
    weather: Arc<Mutex<(Weather, SplitMix64)>>,
}

fn next_delay(weather: &Weather, dice: &mut SplitMix64) -> Duration {
    weather.delay(dice.below(u64::MAX))
}

impl Fate {
    fn draw(weather: &Mutex<(Weather, SplitMix64)>) -> Fate {
        let mut drawn = weather.lock();
        let (weather, dice) = &mut *drawn;
        let mut happens = |thousandths| dice.below(1_000) < thousandths;
        let (is_lost, is_answered, is_repeated) =
            (happens(weather.lost), !happens(weather.unanswered), happens(weather.repeated));
        let (there, back, again) = (next_delay(weather, dice), next_delay(weather, dice), next_delay(weather, dice));
        Fate { is_lost, is_answered, there, back, again: is_repeated.then_some(there + again) }
    }
}

type Call<T> = Box<dyn Fn(Arc<dyn StorageUnit>) -> BoxFuture<'static, Result<T, UnitError>> + Send>;

impl UnreliableUnit {
    /// `unit` behind a network that is perfect until [`Self::set_weather`] is called. `seed` decides what happens.
    pub fn new(unit: Arc<dyn StorageUnit>, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self { unit, clock, weather: Arc::new(Mutex::new((Weather::default(), SplitMix64::new(seed)))) }
    }

    /// Changes how later calls are treated.
    pub fn set_weather(&self, weather: Weather) {
        self.weather.lock().0 = weather;
    }

    /// Makes a call in a task of its own, so that it is carried out even if the caller gives up waiting.
    fn make<T: Send + 'static>(&self, call: Call<T>, done: impl FnOnce(Result<T, UnitError>) + Send + 'static) {
        let (fate, unit, clock) = (Fate::draw(&self.weather), Arc::clone(&self.unit), Arc::clone(&self.clock));
        let body = async move {
            clock.sleep(fate.there).await;
            let answer = if fate.is_lost { Err(UnitError::Unanswered) } else { call(Arc::clone(&unit)).await };
            clock.sleep(fate.back).await;
            done(if fate.is_answered { answer } else { Err(UnitError::Unanswered) });
            if let Some(later) = fate.again {
                clock.sleep(later.saturating_sub(fate.there + fate.back)).await;
                // Nobody waits for the answer to the second copy.
                drop(call(unit).await);
            }
        };
        TaskWorker.start_task("unreliable-call", CancellationToken::new(), Box::pin(body));
    }

    fn ask<T: Send + 'static>(&self, call: Call<T>) -> BoxFuture<'_, Result<T, UnitError>> {
        let (answer, waiting) = tokio::sync::oneshot::channel();
        // A caller that has given up does not need the answer.
        self.make(call, move |outcome| drop(answer.send(outcome)));
        Box::pin(async move { waiting.await.unwrap_or(Err(UnitError::Unanswered)) })
    }
}

impl StorageUnit for UnreliableUnit {
    fn storage_id(&self) -> StorageId {
        self.unit.storage_id()
    }

    fn open(&self, loglet: LogletId, params: UnitParams) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(Box::new(move |unit| Box::pin(async move { unit.open(loglet, params).await })))
    }

    fn store(&self, store: Store, done: Completion<Result<Stored, UnitError>>) {
        let call: Call<Stored> = Box::new(move |unit| {
            let (done, stored) = Completion::channel();
            unit.store(store.clone(), done);
            stored
        });
        self.make(call, move |outcome| done.complete(outcome));
    }

    fn read(
        &self,
        loglet: LogletId,
        range: Range<Offset>,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<CellState>, UnitError>> {
        self.ask(Box::new(move |unit| {
            let range = range.clone();
            Box::pin(async move { unit.read(loglet, range, max_bytes).await })
        }))
    }

    fn fill(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        at: Offset,
        purpose: Purpose,
    ) -> BoxFuture<'_, Result<Stored, UnitError>> {
        self.ask(Box::new(move |unit| Box::pin(async move { unit.fill(loglet, incarnation, at, purpose).await })))
    }

    fn seal(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.ask(Box::new(move |unit| Box::pin(async move { unit.seal(loglet).await })))
    }

    fn trim(&self, loglet: LogletId, up_to: Offset) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(Box::new(move |unit| Box::pin(async move { unit.trim(loglet, up_to).await })))
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.ask(Box::new(move |unit| Box::pin(async move { unit.tail(loglet).await })))
    }

    fn tail_now(&self, _: LogletId) -> Option<Result<LocalTail, UnitError>> {
        None
    }

    fn wait_tail(&self, loglet: LogletId, until: TailReaches) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.ask(Box::new(move |unit| Box::pin(async move { unit.wait_tail(loglet, until).await })))
    }

    fn tell_tails(&self, loglet: LogletId) -> BoxStream<'static, Result<LocalTail, UnitError>> {
        let (tails, weather, clock) =
            (self.unit.tell_tails(loglet), Arc::clone(&self.weather), Arc::clone(&self.clock));
        let late = tails.filter_map(move |told| {
            let (fate, clock) = (Fate::draw(&weather), Arc::clone(&clock));
            async move {
                clock.sleep(fate.there).await;
                // The last item, a sealed tail or an error, is never lost: from it the caller learns that the stream ends.
                let is_last = told.as_ref().map_or(true, |tail| tail.sealed);
                (is_last || !fate.is_lost).then_some(told)
            }
        });
        late.boxed()
    }

    fn held(&self, loglet: LogletId, range: Range<Offset>) -> BoxFuture<'_, Result<Vec<Range<Offset>>, UnitError>> {
        self.ask(Box::new(move |unit| {
            let range = range.clone();
            Box::pin(async move { unit.held(loglet, range).await })
        }))
    }

    fn advance(&self, loglet: LogletId, known_tail: Offset) {
        let call: Call<()> = Box::new(move |unit| {
            unit.advance(loglet, known_tail);
            Box::pin(std::future::ready(Ok(())))
        });
        self.make(call, drop);
    }

    fn follow(&self, loglet: LogletId, from: Offset) -> BoxStream<'static, Result<Followed, UnitError>> {
        self.unit.follow(loglet, from)
    }

    fn drop_loglet(&self, loglet: LogletId) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(Box::new(move |unit| Box::pin(async move { unit.drop_loglet(loglet).await })))
    }

    fn raise_floor(&self, log: LogId, ordinal: u64) -> BoxFuture<'_, Result<(), UnitError>> {
        self.ask(Box::new(move |unit| Box::pin(async move { unit.raise_floor(log, ordinal).await })))
    }
}
