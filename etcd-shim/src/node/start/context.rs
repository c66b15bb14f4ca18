//! [`Context`]: what all steps of a start share.

use std::sync::Arc;

use naxos_proto::seams::Seams;

use crate::config::ServerConfig;
use crate::metrics::Metrics;
use crate::node::stops::Stops;

/// See the module.
pub(super) struct Context {
    pub(super) config: ServerConfig,
    pub(super) seams: Seams,
    /// How many RPC runtimes there are.
    pub(super) runtimes: usize,
    pub(super) stops: Stops,
    pub(super) metrics: Arc<Metrics>,
    /// Bytes that stay free on the disk for checkpoints.
    pub(super) reserve_bytes: u64,
}
