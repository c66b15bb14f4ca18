//! Tasks that must not be lost: each runs on its caller's runtime, and a panic in one of them ends the node.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::worker::Worker;

/// Spawns tasks that share a stop token. A panic in one of them cancels the token, and the node ends.
#[derive(Clone)]
pub struct Tasks {
    worker: Arc<dyn Worker>,
    stop: CancellationToken,
}

impl Tasks {
    /// `stop` is cancelled when one of the tasks panics.
    pub fn new(worker: Arc<dyn Worker>, stop: CancellationToken) -> Self {
        Self { worker, stop }
    }

    /// Runs `body` on the caller's runtime until it ends by itself.
    pub fn start(&self, name: &'static str, body: impl Future<Output = ()> + Send + 'static) {
        self.worker.start_task(name, self.stop.clone(), Box::pin(body));
    }

    /// Runs `work` in a task of its own, so that it is not left half done when the caller goes away. `None` if the work
    /// panicked, or if its runtime ended before the work did.
    /// # Cancel safety
    /// The work goes on.
    pub async fn finish<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, outcome) = oneshot::channel();
        self.start(name, async move {
            // If the caller has gone, nobody receives the outcome.
            let _ = done.send(work.await);
        });
        outcome.await.ok()
    }

    /// Runs `body` on the caller's runtime until it ends or the node stops.
    pub fn start_until_stop(&self, name: &'static str, body: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.start(name, async move {
            stop.run_until_cancelled_owned(body).await;
        });
    }
}
