//! Starts a node in four steps. Each step is a type that holds the parts that exist by then; its method makes the next
//! step.
//!
//! 1. [`Found`](found::Found): the ports are bound, the data directory is read and found good, the local store is
//!    loaded
//! 2. [`Opened`](opened::Opened): storage unit and MetaStore replica run, the log is open; a node that is alone has
//!    reconfigured the log for this boot
//! 3. [`Stacked`](stacked::Stacked): the engine stack runs, the log is replayed; before that a node that is too far behind
//!    gets a snapshot ([`CatchUp`](catch_up::CatchUp))
//! 4. [`Node`]: the node is announced in the log, and serves
//!
//! A log server or a sequencer ([`Part`]) takes only the first two steps. From then on it follows the members of its
//! cluster.

mod catch_up;
mod context;
mod found;
mod kept_up;
mod open_store;
mod opened;
mod rebuilt;
mod running_stack;
mod serving;
mod stacked;
mod start_error;

use std::sync::Arc;

use naxos_log_server::LogServerConfig;
use naxos_proto::seams::Seams;

use self::found::Found;
use super::stops::Stops;
use super::{Node, Part};
use crate::config::ServerConfig;
use crate::state::Applicator;

pub(in crate::node) use open_store::{LoadError, reopen_store};
pub use start_error::StartError;

impl Node {
    /// Starts a node. Returns when it serves.
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start(config: ServerConfig, seams: Seams) -> Result<Node, StartError> {
        let runtimes = std::thread::available_parallelism().map_or(1, usize::from);
        Self::start_with(config, seams, runtimes, LogServerConfig::default(), None).await
    }

    /// Does what [`Node::start`] does, with a given number of RPC runtimes, given settings of the storage unit, and a state
    /// machine of the program's own, if it has one.
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start_with(
        config: ServerConfig,
        seams: Seams,
        runtimes: usize,
        unit: LogServerConfig,
        applicator: Option<Arc<dyn Applicator>>,
    ) -> Result<Node, StartError> {
        let worker = Arc::clone(&seams.worker);
        within(Stops::new(), async |stops| {
            let found = Found::look(config, seams, runtimes, unit, stops, applicator).await?;
            let (opened, store) = found.open().await?;
            opened.stack(store.ok_or_else(no_state)?).await?.serve(&*worker).await
        })
        .await
    }
}

impl Part {
    /// Starts a log server or a sequencer, as `config.role` says. Returns when it takes part in the cluster.
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start(config: ServerConfig, seams: Seams, unit: LogServerConfig) -> Result<Part, StartError> {
        within(Stops::new(), async |stops| {
            // Only health checks and metrics are served: one runtime is enough.
            let found = Found::look(config, seams, 1, unit, stops, None).await?;
            Ok(found.open().await?.0.keep_up())
        })
        .await
    }
}

/// Does the steps of a start. Fails if a part that was started meanwhile fails.
async fn within<T>(stops: Stops, steps: impl AsyncFnOnce(Stops) -> Result<T, StartError>) -> Result<T, StartError> {
    tokio::select! {
        biased;
        started = steps(stops.clone()) => started,
        () = stops.failed() => Err(StartError::Lost),
    }
}

fn no_state() -> StartError {
    StartError::Begin("a log server or a sequencer replays no log: expected a start by `Part::start`".to_owned())
}
