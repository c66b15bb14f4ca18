//! [`HttpState`]: what all routes use.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use naxos_proto::seams::Clock;

use super::server_health::ServerHealth;
use crate::config::ServerConfig;
use crate::metrics::Metrics;

/// A request may take this long plus two election time-outs, as in etcd.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// What all routes use.
pub struct HttpState {
    /// Tells the health of the node.
    pub server: Arc<dyn ServerHealth>,
    /// The metrics of the node.
    pub metrics: Arc<Metrics>,
    /// Measures deadlines.
    pub clock: Arc<dyn Clock>,
    /// How long a read may take.
    pub read_max: Duration,
    /// The origins from which browsers may call; `*` or an empty set means all.
    pub cors: BTreeSet<String>,
    /// The host names that plain-text requests may ask for; `*` or an empty set means all.
    pub host_whitelist: BTreeSet<String>,
    /// The program's command line, for `/debug/vars`.
    pub command_line: Vec<String>,
}

impl HttpState {
    /// The state for a server with this configuration.
    pub fn new(
        config: &ServerConfig,
        server: Arc<dyn ServerHealth>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        command_line: Vec<String>,
    ) -> HttpState {
        HttpState {
            server,
            metrics,
            clock,
            read_max: REQUEST_MAX + 2 * config.election_timeout,
            cors: config.cors.clone(),
            host_whitelist: config.host_whitelist.clone(),
            command_line,
        }
    }

    /// Does a read within its deadline.
    pub(super) async fn read(&self, serializable: bool) -> Result<(), String> {
        let read = if serializable { self.server.serializable_read() } else { self.server.linearizable_read() };
        tokio::select! {
            biased;
            result = read => result,
            () = self.clock.sleep(self.read_max) => Err("context deadline exceeded".to_owned()),
        }
    }
}
