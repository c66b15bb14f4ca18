//! [`HttpState`]: what the routes share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use naxos_proto::seams::Clock;

use super::server_health::ServerHealth;
use crate::config::ServerConfig;
use crate::metrics::Metrics;

/// A request may take this long and two election time-outs, as in etcd.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// What the routes share.
pub struct HttpState {
    /// The node.
    pub server: Arc<dyn ServerHealth>,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// For deadlines.
    pub clock: Arc<dyn Clock>,
    /// The deadline of a read.
    pub read_max: Duration,
    /// Origins that browsers may call from; `*` for all.
    pub cors: BTreeSet<String>,
    /// Host names that plain requests may ask for; `*` for all.
    pub host_whitelist: BTreeSet<String>,
    /// The program's command line, for `/debug/vars`.
    pub command_line: Vec<String>,
}

impl HttpState {
    /// The state for a server's flags.
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

    /// A read with its deadline.
    pub(super) async fn read(&self, serializable: bool) -> Result<(), String> {
        let read = if serializable { self.server.serializable_read() } else { self.server.linearizable_read() };
        tokio::select! {
            biased;
            result = read => result,
            () = self.clock.sleep(self.read_max) => Err("context deadline exceeded".to_owned()),
        }
    }
}
