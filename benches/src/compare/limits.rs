//! The limits that Naxos has to meet against etcd in one row.

use serde::Serialize;

/// Limits of one row, as ratios to etcd.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Limits {
    /// Least number of operations per second.
    pub throughput_min: Option<f64>,
    /// Highest median latency.
    pub p50_max: Option<f64>,
    /// Highest server CPU time per operation.
    pub cpu_max: Option<f64>,
}

impl Limits {
    /// A limit on CPU time only.
    pub(super) fn cpu(cpu_max: f64) -> Self {
        Self { cpu_max: Some(cpu_max), ..Self::default() }
    }

    /// Limits on throughput and CPU time.
    pub(super) fn both(throughput_min: f64, cpu_max: f64) -> Self {
        Self { throughput_min: Some(throughput_min), ..Self::cpu(cpu_max) }
    }
}
