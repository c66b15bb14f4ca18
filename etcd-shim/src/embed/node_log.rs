//! [`NodeLog`]: the log of a node, for the program.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use naxos_client::{LogError, Record, SharedLog};
use naxos_engines::ProposeError;
use naxos_engines::view_tracking::PROGRAMS;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell};
use naxos_proto::ids::{Lsn, StreamId};
use naxos_proto::streams::StreamTails;

use crate::services::Desk;

/// The log of a node, from one start of the node to its end. The node's store is on the same log, so the log is trimmed as
/// far as neither the store nor the program needs it.
pub(super) struct NodeLog(pub(super) Desk);

impl NodeLog {
    /// Makes a call, unless the node serves nothing, and until it stops.
    async fn call<T>(&self, call: impl Future<Output = Result<T, LogError>>) -> Result<T, LogError> {
        if let Some(why) = self.0.backend.state_problem() {
            return Err(LogError::Unavailable(why));
        }
        let stopped = || LogError::Unavailable(self.0.why_stopped());
        self.0.stop.run_until_cancelled(call).await.unwrap_or_else(|| Err(stopped()))
    }

    /// Waits for a change of the view, but not for ever.
    async fn changed(&self, change: impl Future<Output = Result<(), ProposeError>>) -> Result<(), LogError> {
        let late = || LogError::Unavailable("the log did not answer in time".to_owned());
        let changed = self.0.pending.deadlines.within(change).await.ok_or_else(late)?;
        changed.map_err(|error| LogError::Unavailable(error.to_string()))
    }

    /// Keeps the log for programs from `at` on, and not below it. Never goes back.
    async fn keep_from(&self, at: Lsn) -> Result<(), LogError> {
        self.changed(self.0.backend.stack.view().hold(PROGRAMS, at)).await?;
        self.expect_kept(true)
    }

    /// An error if the log is not kept for programs although it should be, or the other way round. The view does not change
    /// while its engine is off.
    fn expect_kept(&self, expected: bool) -> Result<(), LogError> {
        if self.0.backend.stack.view().cursor_of(PROGRAMS).is_some() == expected {
            return Ok(());
        }
        let is_off = "the engine view-tracking is off, so nothing changes how far the log is kept for programs: turn it on \
                      with `naxos ctl engines enable view-tracking`";
        Err(LogError::Unavailable(is_off.to_owned()))
    }

    /// Keeps the log no longer for programs.
    pub(super) async fn release(&self) -> Result<(), LogError> {
        self.call(self.changed(self.0.backend.stack.view().leave(PROGRAMS))).await?;
        self.expect_kept(false)
    }

    /// Keeps the log for programs from now on, if it is not kept for them yet.
    pub(super) async fn keep(&self) -> Result<(), LogError> {
        // The position is read before the check. So if the log is not kept for programs yet, whatever they append,
        // through any node, lies above this position.
        let now = self.0.backend.reader.applied();
        match self.0.backend.stack.view().cursor_of(PROGRAMS) {
            Some(_) => Ok(()),
            None => self.call(self.keep_from(now)).await,
        }
    }
}

impl SharedLog for NodeLog {
    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Lsn, AppendError>>) {
        // The room that is left on a full disk is for the entries that make more of it.
        match self.0.backend.write_refusal() {
            Some(refusal) => done.complete(Err(refusal.into())),
            None => self.0.backend.log.append(batch, done),
        }
    }

    fn check_tail(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        self.call(self.0.backend.log.check_tail()).boxed()
    }

    fn check_tail_now(&self) -> Option<Lsn> {
        self.0.backend.log.check_tail_now()
    }

    fn stream_tails<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<StreamTails, LogError>> {
        self.call(self.0.backend.log.stream_tails(streams)).boxed()
    }

    fn read(&self, from: Lsn, below: Lsn, max_bytes: usize) -> BoxFuture<'_, Result<(Vec<Record>, Lsn), LogError>> {
        // The units trim later. A read that goes below the trim point is refused at once, so that it does not depend on when.
        let oldest = self.oldest();
        self.call(async move {
            if from < oldest {
                return Err(LogError::Trimmed(oldest));
            }
            self.0.backend.log.read(from, below, max_bytes).await
        })
        .boxed()
    }

    fn follow(self: Arc<Self>, from: Lsn) -> BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>> {
        let oldest = self.oldest();
        if from < oldest {
            return futures::stream::iter([Err(LogError::Trimmed(oldest))]).boxed();
        }
        let log: Arc<dyn SharedLog> = self.0.backend.log.clone();
        log.follow(from).take_until(self.0.stop.clone().cancelled_owned()).boxed()
    }

    fn oldest(&self) -> Lsn {
        let backend = &self.0.backend;
        // If the log is not kept for programs, it is trimmed as far as the store does not need it. After a recovery it begins
        // above the position from which it was kept.
        let kept_from = backend.stack.view().cursor_of(PROGRAMS).unwrap_or_else(|| backend.stack.trim_point());
        kept_from.max(backend.log.oldest())
    }

    fn trim(&self, up_to: Lsn) -> BoxFuture<'_, Result<(), LogError>> {
        let trim = async move {
            // What is appended later must not lie below the position from which the log is kept.
            let tail = self.0.backend.log.check_tail().await?;
            self.keep_from(up_to.min(tail)).await
        };
        self.call(trim).boxed()
    }

    fn ordinal(&self) -> u64 {
        self.0.backend.log.ordinal()
    }
}
