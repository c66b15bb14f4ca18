//! Tasks that must not be lost: each runs on its caller's runtime, and a panic in one of them ends the node.

use std::future::Future;
use std::sync::Arc;

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

    /// Runs `body` on the caller's runtime until it ends or the node stops.
    pub fn start_until_stop(&self, name: &'static str, body: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.start(name, async move {
            stop.run_until_cancelled_owned(body).await;
        });
    }
}
