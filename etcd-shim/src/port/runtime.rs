//! An RPC runtime: one thread, its connections, its services.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::seams::Clock;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::connection::{Shared, serve};
use super::handoff::Handoff;

/// How long requests in flight may take to finish when the port closes.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Serves the connections that are handed over, until `stop`; then lets requests finish.
pub(super) async fn run(
    mut handoffs: mpsc::Receiver<Handoff>,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(end) = connections.join_next() => complain(end),
            next = handoffs.recv() => match next {
                Some(handoff) => {
                    connections.spawn(serve(handoff, shared.clone()));
                }
                None => break,
            },
        }
    }
    // Sockets that are still in the queue are closed: nothing that their clients sent was read.
    drop(handoffs);
    shared.closing.cancel();
    let all_end = async {
        while let Some(end) = connections.join_next().await {
            complain(end);
        }
    };
    tokio::select! {
        biased;
        () = all_end => {}
        () = clock.sleep(DRAIN_MAX) => {}
    }
    connections.shutdown().await;
}

fn complain(end: Result<(), JoinError>) {
    if let Err(error) = end
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}
