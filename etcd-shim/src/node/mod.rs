//! A node: everything between the flags and the ports. The only place that wires roles together.
//!
//! - [`start`]: opens the parts in their order; [`serve`]: puts the services on the port; [`stops`]: what ends together
//! - [`upkeep`]: what happens by the clock
//! - [`ids`], [`health`], [`gauges`]: who it is and how it is

mod gauges;
mod health;
mod ids;
mod serve;
mod start;
mod stops;
mod upkeep;

use std::sync::Arc;

use naxos_log_server::LogServer;
use naxos_log_server::meta::MetaReplica;
use naxos_proto::seams::{Address, WorkerHandle};

use self::stops::Stops;
use crate::backend::Backend;
use crate::port::Port;
pub use start::StartError;

/// A running node.
pub struct Node {
    port: Port,
    stops: Stops,
    workers: Vec<WorkerHandle>,
    meta: Arc<MetaReplica>,
    log_server: LogServer,
    backend: Arc<Backend>,
}

impl Node {
    /// The addresses really bound, in the order of the configuration's listeners.
    pub fn bound_addresses(&self) -> &[Address] {
        self.port.bound_addresses()
    }

    /// Waits until the node cannot go on, and says why. Never ends otherwise.
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) -> String {
        self.stops.failed().await;
        "a worker of the node failed; the log says why".to_owned()
    }

    /// Lets requests in flight finish, writes a last checkpoint and ends.
    /// # Cancel safety
    /// The node ends all the same.
    pub async fn stop(self) {
        self.stops.serving.cancel();
        self.port.drain().await;
        self.backend.stack.shut();
        self.stops.running.cancel();
        for worker in self.workers {
            if let Err(error) = worker.join().await {
                tracing::error!(error, "a worker of the node failed");
            }
        }
        if let Err(error) = self.meta.shutdown().await {
            tracing::error!(error, "the metadata store's worker failed");
        }
        if let Err(error) = self.log_server.shutdown().await {
            tracing::error!(error, "a worker of the storage unit failed");
        }
        tracing::info!("closed etcd server");
    }
}
