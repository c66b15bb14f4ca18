//! The linearizable reads of one runtime share checks of the log's tail. One check is in flight at a time, and reads
//! that arrive meanwhile wait for the next one (`docs/design.md`, section 4, Reads). A read that had to wait is woken
//! within its own runtime. The check itself costs one wake-up between threads, however many reads share it.
//!
//! The list of the reads that wait is bounded, as [`Waiters`] says. A handler that gives up stays in the list at first.
//! A check in flight has no deadline, so the list drops such handlers without waiting for the end of the check.

use std::sync::Arc;

use naxos_client::LogError;
use naxos_proto::ids::Lsn;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::waiters::Waiters;

/// The shared tail checks of one runtime; see the module.
pub struct ReadGate {
    engine: Arc<dyn Engine>,
    waiting: Mutex<Waiters<(), Result<Lsn, LogError>>>,
    wake: Notify,
}

impl ReadGate {
    /// A new gate. Its [`Self::serve`] has to be run on the gate's runtime.
    pub fn new(engine: Arc<dyn Engine>) -> Arc<Self> {
        Arc::new(Self { engine, waiting: Mutex::default(), wake: Notify::new() })
    }

    /// Waits until everything that was acknowledged before the call is applied here. Returns the position that the
    /// local store then reflects.
    /// # Cancel safety
    /// If the future is dropped, nothing is lost.
    pub async fn sync(&self) -> Result<Lsn, LogError> {
        if let Some(lsn) = self.engine.sync_now() {
            return Ok(lsn);
        }
        let done = self.waiting.lock().add(());
        self.wake.notify_one();
        done.await.unwrap_or_else(|_| Err(LogError::Unavailable("the node is stopping".to_owned())))
    }

    /// Checks the tail for the waiting reads, until `stop`.
    pub async fn serve(self: Arc<Self>, stop: CancellationToken) {
        let checks = async {
            loop {
                self.wake.notified().await;
                // All reads in this list arrived before the check begins, so its answer is valid for them.
                let served = self.waiting.lock().take_all();
                let outcome = match self.engine.sync_now() {
                    Some(lsn) => Ok(lsn),
                    None => self.engine.sync().await,
                };
                for waiter in served {
                    // A handler no longer waits if its client is gone.
                    let _ = waiter.send(outcome.clone());
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = checks => {}
        }
        *self.waiting.lock() = Waiters::default();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;
    use crate::engine::Proposal;

    /// An engine that never learns the tail.
    struct Stuck;

    impl Engine for Stuck {
        fn below(&self) -> Option<&dyn Engine> {
            None
        }

        fn propose(&self, _: Proposal) {}

        fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
            Box::pin(std::future::pending())
        }

        fn sync_now(&self) -> Option<Lsn> {
            None
        }
    }

    #[test]
    fn handlers_that_give_up_do_not_pile_up_while_a_check_is_in_flight() {
        let gate = ReadGate::new(Arc::new(Stuck));
        let mut serving = Box::pin(Arc::clone(&gate).serve(CancellationToken::new()));
        let mut most = 0;
        for _ in 0..10_000 {
            assert!(gate.sync().now_or_never().is_none(), "no tail is known");
            assert!((&mut serving).now_or_never().is_none(), "a check is in flight");
            most = most.max(gate.waiting.lock().len());
        }
        assert!(most <= 100, "{most} handlers that gave up were kept");
    }
}
