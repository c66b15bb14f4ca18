//! [`Context`]: what all steps of a start use.

use std::sync::Arc;

use naxos_proto::seams::Seams;

use crate::config::ServerConfig;
use crate::metrics::Metrics;
use crate::node::stops::Stops;
use crate::state::Applicator;

/// See the module.
pub(super) struct Context {
    pub(super) config: ServerConfig,
    pub(super) seams: Seams,
    /// The number of RPC runtimes.
    pub(super) runtimes: usize,
    pub(super) stops: Stops,
    pub(super) metrics: Arc<Metrics>,
    /// Bytes of the disk that are kept free for checkpoints.
    pub(super) reserve_bytes: u64,
    /// The program's own state machine, if it has one.
    pub(super) applicator: Option<Arc<dyn Applicator>>,
}
