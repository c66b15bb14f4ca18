//! A node: everything between the flags and the ports.
//!
//! This one only answers HTTP and gRPC health, so that the process around it can be tested from end to end.

use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::seams::Seams;
use tokio_util::sync::CancellationToken;

use crate::config::ServerConfig;
use crate::http::{AlarmKind, HttpState, ServerHealth, router};
use crate::metrics::Metrics;
use crate::port::{GrpcRoutes, Port, PortConfig, PortError};
use crate::tls::TlsError;
use crate::version;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ports do not open.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The certificates are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running node.
pub struct Node {
    port: Port,
}

impl Node {
    /// Starts a node and returns when it serves.
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start(config: ServerConfig, seams: Seams) -> Result<Node, StartError> {
        let runtimes = std::thread::available_parallelism().map_or(1, usize::from);
        let port = PortConfig::from_server(&config, runtimes)?;
        let metrics = Arc::new(Metrics::new(config.metrics, runtimes, &config.feature_gates, seams.clock.wall().0));
        metrics.set_cluster_version("3.6");
        let command_line = std::env::args().collect();
        let state =
            Arc::new(HttpState::new(&config, Arc::new(Alive), metrics.clone(), seams.clock.clone(), command_line));
        let port = Port::start(
            seams,
            port,
            Arc::new(|_| {
                let (_, service) = tonic_health::server::health_reporter();
                GrpcRoutes::default().add_service(service)
            }),
            Arc::new(move |_, traffic| router(state.clone(), traffic)),
            &metrics,
            CancellationToken::new(),
        )
        .await?;
        tracing::info!("ready to serve client requests");
        Ok(Node { port })
    }

    /// The addresses really bound, in the order of the configuration's listeners.
    pub fn bound_addresses(&self) -> &[naxos_proto::seams::Address] {
        self.port.bound_addresses()
    }

    /// Waits until the node cannot go on, and says why. Never ends otherwise.
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) -> String {
        std::future::pending().await
    }

    /// Lets requests in flight finish and ends.
    /// # Cancel safety
    /// The node ends all the same.
    pub async fn stop(self) {
        self.port.drain().await;
    }
}

struct Alive;

impl ServerHealth for Alive {
    fn serializable_read(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
    fn linearizable_read(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
    fn alarms(&self) -> Vec<(u64, AlarmKind)> {
        Vec::new()
    }
    fn has_leader(&self) -> bool {
        true
    }
    fn is_learner(&self) -> bool {
        false
    }
    fn cluster_version(&self) -> Option<String> {
        Some(version::ETCD_CLUSTER.to_owned())
    }
    fn storage_version(&self) -> Option<String> {
        Some(version::ETCD_STORAGE.to_owned())
    }
}
