//! [`end`]: the last steps of a node that stops.

use naxos_log_server::LogServer;
use naxos_log_server::meta::MetaReplica;
use naxos_proto::seams::WorkerHandle;

use super::stops::Stops;

/// Ends the Workers, then the MetaStore's replica, which writes to the storage unit, and then the unit. Returns why one of
/// them has failed, if one has.
pub(super) async fn end(
    stops: &Stops,
    workers: Vec<WorkerHandle>,
    meta: &MetaReplica,
    log_server: LogServer,
) -> Option<String> {
    stops.running.cancel();
    let mut failed = None;
    for worker in workers {
        if let Err(error) = worker.join().await {
            tracing::error!(error, "a worker of the node failed");
            failed = failed.or(Some(error));
        }
    }
    if let Err(error) = meta.shutdown().await {
        tracing::error!(error, "the metadata store's worker failed");
        failed = failed.or(Some(error));
    }
    if let Err(error) = log_server.shutdown().await {
        tracing::error!(error, "a worker of the storage unit failed");
        failed = failed.or(Some(error));
    }
    failed
}
