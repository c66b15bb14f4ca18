//! The linearizable reads of one runtime share checks of the log's tail. One check is in flight at a time, and reads
//! that arrive meanwhile wait for the next one (`docs/design.md`, section 4, Reads). A read that had to wait is woken
//! within its own runtime. The check itself costs one wake-up between threads, however many reads share it.
//!
//! Bound: one place in the list for each waiting handler.

use std::sync::Arc;

use naxos_client::LogError;
use naxos_proto::ids::Lsn;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

/// The shared tail checks of one runtime; see the module.
pub struct ReadGate {
    engine: Arc<dyn Engine>,
    waiting: Mutex<Vec<oneshot::Sender<Result<Lsn, LogError>>>>,
    wake: Notify,
}

impl ReadGate {
    /// A new gate. Its [`Self::serve`] has to be run on the gate's runtime.
    pub fn new(engine: Arc<dyn Engine>) -> Arc<Self> {
        Arc::new(Self { engine, waiting: Mutex::new(Vec::new()), wake: Notify::new() })
    }

    /// Waits until everything that was acknowledged before the call is applied here. Returns the position that the
    /// local store then reflects.
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub async fn sync(&self) -> Result<Lsn, LogError> {
        if let Some(lsn) = self.engine.sync_now() {
            return Ok(lsn);
        }
        let (tx, done) = oneshot::channel();
        self.waiting.lock().push(tx);
        self.wake.notify_one();
        done.await.unwrap_or_else(|_| Err(LogError::Unavailable("the node is stopping".to_owned())))
    }

    /// Checks the tail for the waiting reads, until `stop`.
    pub async fn serve(self: Arc<Self>, stop: CancellationToken) {
        let checks = async {
            loop {
                self.wake.notified().await;
                // All reads in this list arrived before the check begins, so its answer is valid for them.
                let served = std::mem::take(&mut *self.waiting.lock());
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
        self.waiting.lock().clear();
    }
}
