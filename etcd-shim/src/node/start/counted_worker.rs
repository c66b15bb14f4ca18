//! [`CountedWorker`]: knows which Workers of a node have not ended.

use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::seams::{Body, Worker, WorkerHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts Workers as `inner` does. `running` is empty when all of them have ended. So a start that fails can wait for them,
/// although their handles are lost with the steps of the start.
pub(super) struct CountedWorker {
    pub(super) inner: Arc<dyn Worker>,
    pub(super) running: TaskTracker,
}

impl Worker for CountedWorker {
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle {
        // It is dropped with the body, also if the body panics or is never run.
        let runs = self.running.token();
        let counted: Body = Box::new(move |stop| {
            Box::pin(async move {
                let _runs = runs;
                body(stop).await;
            })
        });
        self.inner.start(name, stop, counted)
    }

    fn start_task(&self, name: &'static str, stop: CancellationToken, body: BoxFuture<'static, ()>) {
        self.inner.start_task(name, stop, body);
    }
}
