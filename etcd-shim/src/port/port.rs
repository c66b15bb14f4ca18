//! The ports of a node and the states they go through: bound, serving, drained.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use naxos_proto::seams::{Address, Seams, WorkerHandle, start};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::accept::Acceptor;
use super::config::{PortConfig, Traffic};
use super::connection::Shared;
use super::dispatch::Services;
use super::error::PortError;
use super::grpc_routes::GrpcRoutes;
use super::handoff::{HANDOFFS_MAX, RuntimeInlet};
use super::runtime;
use crate::metrics::Metrics;

/// Makes the gRPC services of one runtime; called on that runtime's thread. The argument is the number of the runtime.
pub type GrpcFactory = Arc<dyn Fn(usize) -> GrpcRoutes + Send + Sync>;
/// Makes the HTTP routes of one runtime: for [`Traffic::Metrics`] those of the metrics URLs, otherwise those of client
/// URLs.
pub type HttpFactory = Arc<dyn Fn(usize, Traffic) -> Router + Send + Sync>;

/// Ports that are bound. Connections wait in the system's queue until [`BoundPort::serve`].
pub struct BoundPort {
    seams: Seams,
    config: PortConfig,
    addresses: Vec<Address>,
    inlets: oneshot::Sender<Vec<RuntimeInlet>>,
    accept: WorkerHandle,
    stop: CancellationToken,
}

/// Ports that are serving.
pub struct Port {
    addresses: Vec<Address>,
    workers: Vec<WorkerHandle>,
    stop: CancellationToken,
}

impl BoundPort {
    /// Binds every address. `stop` ends everything that is started from here.
    /// # Cancel safety
    /// Dropping the future closes what was bound.
    pub async fn bind(seams: Seams, config: PortConfig, stop: CancellationToken) -> Result<BoundPort, PortError> {
        let (bound, answer) = oneshot::channel();
        let (inlets, later) = oneshot::channel();
        let acceptor = Acceptor {
            seams: seams.clone(),
            listeners: config.listeners.clone(),
            connections_max: config.connections_max,
            bound,
            inlets: later,
        };
        let accept = start(seams.worker.as_ref(), "accept", stop.clone(), |stop| acceptor.run(stop));
        let addresses = answer.await.map_err(|_| PortError::Vanished)??;
        Ok(BoundPort { seams, config, addresses, inlets, accept, stop })
    }

    /// The addresses that were bound, in the order of the configuration's listeners.
    pub fn bound_addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Starts the RPC runtimes and begins to accept connections.
    pub fn serve(self, grpc: GrpcFactory, http: HttpFactory, metrics: &Metrics) -> Port {
        let mut workers = Vec::new();
        let mut inlets = Vec::new();
        for index in 0..self.config.runtimes {
            let (queue, handoffs) = mpsc::channel(HANDOFFS_MAX);
            inlets.push(RuntimeInlet { queue, load: Arc::new(AtomicUsize::new(0)) });
            let (config, clock, counts) = (self.config.clone(), self.seams.clock.clone(), metrics.network(index));
            let (grpc, http) = (grpc.clone(), http.clone());
            let body = move |stop| async move {
                let services = Services {
                    grpc: grpc(index),
                    http: http(index, Traffic::All),
                    metrics: http(index, Traffic::Metrics),
                    clock: clock.clone(),
                };
                let shared = Arc::new(Shared::new(&config, services, counts, clock.clone()));
                runtime::run(handoffs, shared, clock, stop).await;
            };
            workers.push(start(self.seams.worker.as_ref(), &format!("rpc-{index}"), self.stop.clone(), body));
        }
        // If `stop` has already ended the accept Worker, nothing is to be served.
        let _ = self.inlets.send(inlets);
        workers.push(self.accept);
        for (listener, address) in self.config.listeners.iter().zip(&self.addresses) {
            announce(listener.traffic, listener.plain, listener.secure, address);
        }
        Port { addresses: self.addresses, workers, stop: self.stop }
    }
}

impl Port {
    /// Binds and serves.
    /// # Cancel safety
    /// Dropping the future closes what was bound.
    pub async fn start(
        seams: Seams,
        config: PortConfig,
        grpc: GrpcFactory,
        http: HttpFactory,
        metrics: &Metrics,
        stop: CancellationToken,
    ) -> Result<Port, PortError> {
        Ok(BoundPort::bind(seams, config, stop).await?.serve(grpc, http, metrics))
    }

    /// The addresses that were bound, in the order of the configuration's listeners.
    pub fn bound_addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Closes the ports and waits, for at most five seconds, until the requests in flight have ended.
    /// # Cancel safety
    /// The ports close even if the future is dropped.
    pub async fn drain(self) {
        self.stop.cancel();
        for worker in self.workers {
            if let Err(error) = worker.join().await {
                tracing::error!(error, "a worker of the port failed");
            }
        }
    }
}

/// Logs what is served at an address, in etcd's words.
fn announce(traffic: Traffic, plain: bool, secure: bool, address: &Address) {
    let traffic = match traffic {
        Traffic::All => "grpc+http",
        Traffic::Grpc => "grpc",
        Traffic::Http => "http",
        Traffic::Metrics => {
            tracing::info!(%address, "serving metrics");
            return;
        }
    };
    if plain {
        tracing::info!(traffic, %address, "serving client traffic insecurely; this is strongly discouraged!");
    }
    if secure {
        tracing::info!(traffic, %address, "serving client traffic securely");
    }
}
