//! [`TaskWorker`]: runs Workers as tasks of the current runtime.

use crate::seams::worker::guarded;
use crate::seams::{Body, Worker, WorkerHandle};
use tokio_util::sync::CancellationToken;

/// Starts each body with `tokio::task::spawn_local`. It needs a `LocalSet`, which turmoil's hosts have.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskWorker;

impl Worker for TaskWorker {
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle {
        let (tx, handle) = WorkerHandle::new(name);
        tokio::task::spawn_local(async move {
            let end = guarded(stop, body).await;
            // If the handle was dropped, nobody needs the result.
            let _ = tx.send(end);
        });
        handle
    }
}
