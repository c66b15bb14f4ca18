//! What a node serves: HTTP, and etcd's services on each RPC runtime, together with the tasks that each runtime needs.

use std::sync::Arc;

use http::HeaderMap;
use naxos_proto::control::control_server::ControlServer;
use naxos_proto::etcd::server::etcdserverpb as pb;
use tokio::sync::watch;

use super::health::NodeHealth;
use super::stops::Stops;
use crate::backend::{Backend, Deadlines, PendingRequests};
use crate::http::{HttpState, router};
use crate::port::{BoundPort, GrpcRoutes, Port};
use crate::services::{Desk, wants_leader};
use crate::services::{auth, cluster, control, kv, lease, maintenance, watch as watch_service};
use crate::state::EtcdError;
use crate::watch::{Hub, HubConfig, Ring};

/// Bytes that a gRPC message may have in addition to the largest request.
const GRPC_OVERHEAD_BYTES: usize = 512 << 10;

/// Begins to serve, and returns at once. The port serves until `stops.serving` is cancelled. Then requests in flight
/// have at most five seconds. The tasks that they need end when `stops.running` is cancelled. The receiver gets the
/// [`Desk`] of the first runtime as soon as there is one.
pub(super) fn serve(
    bound: BoundPort,
    backend: &Arc<Backend>,
    rings: Vec<Arc<Ring>>,
    stops: &Stops,
) -> (Port, watch::Receiver<Option<Desk>>) {
    let health = Arc::new(NodeHealth(Arc::clone(backend)));
    let command_line = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let http = Arc::new(HttpState::new(
        &backend.config,
        health,
        Arc::clone(&backend.metrics),
        Arc::clone(&backend.clock),
        command_line,
    ));
    let metrics = Arc::clone(&backend.metrics);
    let (backend, stop, running) = (Arc::clone(backend), stops.serving.clone(), stops.running.clone());
    let (first, desk) = watch::channel(None);
    let grpc = move |runtime: usize| {
        let deadlines = Arc::new(Deadlines::new(backend.config.election_timeout));
        let pending = PendingRequests::new(Arc::clone(&deadlines));
        let (stack, clock) = (Arc::clone(&backend.stack), Arc::clone(&backend.clock));
        let tasks = &backend.tasks;
        // These three tasks are still needed by requests in flight while the port drains.
        tasks.start_until_stop("deadlines", async move { deadlines.run(&*clock).await });
        tasks.start("replies", Arc::clone(&pending.replies).dispatch(move || stack.flush(), running.child_token()));
        let gate = backend.stack.read_gate();
        tasks.start("read-gate", Arc::clone(&gate).serve(running.child_token()));
        let hub = Hub::new(HubConfig {
            ring: Arc::clone(&rings[runtime]),
            store: Arc::clone(&backend.store),
            cold: backend.cold.clone(),
            clock: Arc::clone(&backend.clock),
            progress_interval: backend.config.watch_progress_notify_interval,
            fragment_bytes: backend.config.limits.max_request_bytes + GRPC_OVERHEAD_BYTES,
            slow_watchers: Arc::clone(&backend.slow_watchers),
        });
        backend.hubs.lock().push(Arc::downgrade(&hub));
        tasks.start("watch-hub", Arc::clone(&hub).run(stop.child_token()));
        let desk = Desk { backend: Arc::clone(&backend), pending, gate, hub, stop: stop.clone() };
        if runtime == 0 {
            first.send_replace(Some(desk.clone()));
        }
        routes(desk)
    };
    let http = move |_, traffic| router(Arc::clone(&http), traffic);
    (bound.serve(Arc::new(grpc), Arc::new(http), &metrics), desk)
}

/// The services of one runtime, the most used ones first.
fn routes(desk: Desk) -> GrpcRoutes {
    let bytes_max = desk.backend.config.limits.max_request_bytes + GRPC_OVERHEAD_BYTES;
    macro_rules! service {
        ($server:path, $service:expr) => {
            <$server>::new($service).max_decoding_message_size(bytes_max).max_encoding_message_size(usize::MAX)
        };
    }
    let backend = Arc::clone(&desk.backend);
    let without_leader = move |metadata: &HeaderMap| {
        (wants_leader(metadata) && backend.leader().is_none()).then(|| EtcdError::NoLeader.into())
    };
    let (_, health) = tonic_health::server::health_reporter();
    GrpcRoutes::default()
        .guarded_by(without_leader)
        .add_service(service!(pb::kv_server::KvServer<_>, kv::KvService(desk.clone())))
        .add_service(service!(pb::watch_server::WatchServer<_>, watch_service::WatchService(desk.clone())))
        .add_service(service!(pb::lease_server::LeaseServer<_>, lease::LeaseService(desk.clone())))
        .add_service(service!(
            pb::maintenance_server::MaintenanceServer<_>,
            maintenance::MaintenanceService(desk.clone())
        ))
        .add_service(service!(pb::cluster_server::ClusterServer<_>, cluster::ClusterService(desk.clone())))
        .add_service(service!(pb::auth_server::AuthServer<_>, auth::AuthService(desk.clone())))
        .add_service(health)
        .add_service(ControlServer::new(control::ControlService(desk)))
}
