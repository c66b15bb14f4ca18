//! [`MumblingSequencer`]: a sequencer whose answers are lost or late.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use naxos_proto::chain::LogletParams;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, OnGrant, Refusal, Sequencer};
use naxos_proto::ids::{Incarnation, LogletId, Lsn, Offset};
use naxos_proto::seams::sim::TaskWorker;
use naxos_proto::seams::{Clock, Worker};
use naxos_proto::splitmix::SplitMix64;
use naxos_proto::tail::Tail;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

type Done = Completion<Result<Offset, AppendError>>;

/// Tells grants at once. If an append is done or undecided, its outcome is with equal chances never told, told as
/// unknown, or told late. Every other outcome is told, but late.
pub(crate) struct MumblingSequencer {
    sequencer: Arc<dyn Sequencer>,
    clock: Arc<dyn Clock>,
    dice: Mutex<SplitMix64>,
    never_told: Arc<Mutex<Vec<Done>>>,
}

impl MumblingSequencer {
    /// `seed` decides which outcomes are told.
    pub(crate) fn new(sequencer: Arc<dyn Sequencer>, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self { sequencer, clock, dice: Mutex::new(SplitMix64::new(seed)), never_told: Arc::default() }
    }
}

impl Sequencer for MumblingSequencer {
    fn incarnation(&self) -> Incarnation {
        self.sequencer.incarnation()
    }

    fn serve<'a>(&'a self, loglet: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), Refusal>> {
        self.sequencer.serve(loglet, start)
    }

    fn append(&self, loglet: LogletId, by: Incarnation, batch: Vec<Cell>, granted: Option<OnGrant>, done: Done) {
        let (clock, never_told) = (Arc::clone(&self.clock), Arc::clone(&self.never_told));
        let (fate, delay) = {
            let mut dice = self.dice.lock();
            (dice.below(3), Duration::from_micros(dice.below(3_000)))
        };
        let mumbled = Completion::new(move |outcome| match (outcome, fate) {
            (Ok(_) | Err(AppendError::Undecided { .. }), 0) => never_told.lock().push(done),
            (Ok(_) | Err(AppendError::Undecided { .. }), 1) => drop(done),
            (outcome, _) => {
                let late = async move {
                    clock.sleep(delay).await;
                    done.complete(outcome);
                };
                TaskWorker.start_task("late-answer", CancellationToken::new(), Box::pin(late));
            }
        });
        self.sequencer.append(loglet, by, batch, granted, mumbled);
    }

    fn grant(&self, loglet: LogletId, by: Incarnation, count: u32) -> BoxFuture<'_, Result<Offset, AppendError>> {
        self.sequencer.grant(loglet, by, count)
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>> {
        self.sequencer.tail(loglet)
    }
}
