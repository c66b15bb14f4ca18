//! [`Stops`]: which parts of a node stop together, and in which order.

use tokio_util::sync::CancellationToken;

use crate::state::own::CannotApply;

/// One token for each group of Workers. Before `Node::stop` is called, only a failure cancels a token: a Worker that
/// fails cancels the one of its group. A task of [`Tasks`](naxos_proto::seams::Tasks) that panics cancels `running`.
#[derive(Clone, Debug)]
pub(super) struct Stops {
    /// Ends the streams first, then the connections.
    pub(super) serving: CancellationToken,
    /// Ends the Workers of the stack and of the parts that it uses. Cancelling it cancels `meta` and `unit` too.
    /// `Node::stop` cancels it when nothing is served any more.
    pub(super) running: CancellationToken,
    /// Ends this node's replica of the MetaStore.
    pub(super) meta: CancellationToken,
    /// Ends the storage unit.
    pub(super) unit: CancellationToken,
    /// Why the program's own state machine cannot go on. It cancels `running`.
    pub(super) failure: CannotApply,
}

impl Stops {
    pub(super) fn new() -> Stops {
        let running = CancellationToken::new();
        let (meta, unit) = (running.child_token(), running.child_token());
        let failure = CannotApply::new(running.clone());
        Stops { serving: CancellationToken::new(), running, meta, unit, failure }
    }

    /// Waits as [`Self::failed`] does, and returns what to tell the caller then.
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn why_failed(&self) -> String {
        self.failed().await;
        self.failure.why().unwrap_or("a worker of the node failed; the log says why").to_owned()
    }

    /// Waits until a Worker or a task has failed.
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
