//! What stops together, and in which order.

use tokio_util::sync::CancellationToken;

/// One token for each group of Workers. Before the node is told to stop, only a Worker that fails cancels one.
#[derive(Clone, Debug)]
pub(super) struct Stops {
    /// Ends the streams, then the connections.
    pub(super) serving: CancellationToken,
    /// Ends the Workers of the stack, once nothing is served, and what lies under them.
    pub(super) running: CancellationToken,
    /// Of the metadata store.
    pub(super) meta: CancellationToken,
    /// Of the storage unit.
    pub(super) unit: CancellationToken,
}

impl Stops {
    pub(super) fn new() -> Stops {
        let running = CancellationToken::new();
        let (meta, unit) = (running.child_token(), running.child_token());
        Stops { serving: CancellationToken::new(), running, meta, unit }
    }

    /// Resolves when a Worker has failed.
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn failed(&self) {
        tokio::select! {
            () = self.serving.cancelled() => {}
            () = self.running.cancelled() => {}
            () = self.meta.cancelled() => {}
            () = self.unit.cancelled() => {}
        }
    }
}
