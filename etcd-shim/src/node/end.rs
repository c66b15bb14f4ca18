//! [`end`]: the last steps of a node that stops.

use naxos_log_server::LogServer;
use naxos_log_server::meta::MetaReplica;
use naxos_proto::seams::WorkerHandle;

use super::stops::Stops;

/// Ends the Workers, then the MetaStore's replica, which writes to the storage unit, and then the unit.
pub(super) async fn end(stops: &Stops, workers: Vec<WorkerHandle>, meta: &MetaReplica, log_server: LogServer) {
    stops.running.cancel();
    for worker in workers {
        if let Err(error) = worker.join().await {
            tracing::error!(error, "a worker of the node failed");
        }
    }
    if let Err(error) = meta.shutdown().await {
        tracing::error!(error, "the metadata store's worker failed");
    }
    if let Err(error) = log_server.shutdown().await {
        tracing::error!(error, "a worker of the storage unit failed");
    }
}
