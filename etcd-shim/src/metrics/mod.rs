//! Metrics under etcd's names, types and labels, so that its dashboards and alerts work unchanged.
//!
//! [`Metrics`] is a value, one per node; there is no global registry. Its handles are typed, and a hot path counts with
//! one atomic add. Values that are kept elsewhere (sizes, revisions) are set by hooks that run before each scrape.

mod engine_times;
mod exposition;
mod families;
mod network;
mod process;
mod registry;
mod rpc;
mod rpc_method;

pub use engine_times::EngineTimes;
pub use families::{DiskMetrics, HealthMetrics, LeaseMetrics, MvccMetrics, ServerMetrics};
pub use network::ByteCounts;
pub(crate) use process::descriptor_limit;
pub use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};
pub use rpc::{RpcCounters, RpcMetrics};
pub use rpc_method::{Method, RpcType};

use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::{FeatureGates, GATES, MetricsLevel, Stage};
use crate::version;
use registry::NamedRegistry;

/// Runs before each scrape, to bring gauges up to date.
pub type Hook = Box<dyn Fn(&Metrics) + Send + Sync>;

/// All metrics of one node.
pub struct Metrics {
    /// Consensus, proposals and requests.
    pub server: ServerMetrics,
    /// Keys, revisions and watchers.
    pub mvcc: MvccMetrics,
    /// The journal and the checkpoints.
    pub disk: DiskMetrics,
    /// Leases.
    pub lease: LeaseMetrics,
    /// `/health`, `/livez` and `/readyz`.
    pub health: HealthMetrics,
    /// What the Observer has measured.
    pub engines: EngineTimes,
    rpc: RpcMetrics,
    network: Vec<Arc<ByteCounts>>,
    registry: NamedRegistry,
    hooks: Mutex<Vec<Hook>>,
    start_seconds: f64,
}

impl Metrics {
    /// Metrics for a node with `runtimes` RPC runtimes. `start_nanos` is the wall time at which the node started. It is
    /// shown as the start time of the process.
    pub fn new(level: MetricsLevel, runtimes: usize, gates: &FeatureGates, start_nanos: u64) -> Metrics {
        let mut registry = NamedRegistry::default();
        let metrics = Metrics {
            server: ServerMetrics::register(&mut registry),
            mvcc: MvccMetrics::register(&mut registry),
            disk: DiskMetrics::register(&mut registry),
            lease: LeaseMetrics::register(&mut registry),
            health: HealthMetrics::register(&mut registry),
            engines: registry.collector(EngineTimes::default()),
            rpc: RpcMetrics::register(&mut registry, level),
            network: (0..runtimes).map(|_| Arc::new(ByteCounts::default())).collect(),
            hooks: Mutex::new(Vec::new()),
            start_seconds: start_nanos as f64 / 1e9,
            registry,
        };
        metrics.server.version.get_or_create(&[("server_version", version::ETCD.to_owned())]).set(1);
        for (name, stage, _) in GATES {
            let stage = if stage == Stage::Alpha { "ALPHA" } else { "BETA" };
            let labels = [("name", name.to_owned()), ("stage", stage.to_owned())];
            metrics.server.feature_enabled.get_or_create(&labels).set(i64::from(gates.enabled(name)));
        }
        metrics
    }

    /// The counters of one RPC: `metrics.rpc(Method::Range).started()`.
    pub fn rpc(&self, method: Method) -> &RpcCounters {
        self.rpc.of(method)
    }

    /// The byte counters of one RPC runtime.
    pub fn network(&self, runtime: usize) -> Arc<ByteCounts> {
        self.network[runtime].clone()
    }

    /// Sets the cluster version that was agreed on, such as `3.6`.
    pub fn set_cluster_version(&self, version: &str) {
        self.server.cluster_version.clear();
        self.server.cluster_version.get_or_create(&[("cluster_version", version.to_owned())]).set(1);
    }

    /// Sets the id of this member.
    pub fn set_server_id(&self, id: u64) {
        self.server.id.clear();
        self.server.id.get_or_create(&[("server_id", format!("{id:x}"))]).set(1);
    }

    /// Runs `hook` before each scrape.
    pub fn before_scrape(&self, hook: Hook) {
        self.hooks.lock().push(hook);
    }

    /// All metrics as text for Prometheus (format 0.0.4).
    pub fn encode(&self) -> String {
        for hook in self.hooks.lock().iter() {
            hook(self);
        }
        let mut text = self.registry.encode();
        network::write(&mut text, &self.network);
        process::write(&mut text, self.start_seconds);
        text
    }
}

#[cfg(test)]
mod tests;
