//! Starts a node in four steps. Each step is a type that holds the parts that exist by then; its method makes the next
//! step.
//!
//! 1. [`Found`](found::Found): the ports are bound, the data directory is read and found good, the local store is
//!    loaded
//! 2. [`Opened`](opened::Opened): storage unit and MetaStore replica run, the log is reconfigured for this boot
//! 3. [`Stacked`](stacked::Stacked): the engine stack runs, the log is replayed; before that a node that is too far behind
//!    gets a snapshot ([`CatchUp`](catch_up::CatchUp))
//! 4. [`Node`]: the node is announced in the log, and serves

mod catch_up;
mod context;
mod found;
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
use super::Node;
use super::stops::Stops;
use crate::config::ServerConfig;

pub(in crate::node) use open_store::{LoadError, reopen_store};
pub use start_error::StartError;

impl Node {
    /// Starts a node. Returns when it serves.
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start(config: ServerConfig, seams: Seams) -> Result<Node, StartError> {
        let runtimes = std::thread::available_parallelism().map_or(1, usize::from);
        Self::start_with(config, seams, runtimes, LogServerConfig::default()).await
    }

    /// Does what [`Node::start`] does, with a given number of RPC runtimes and given settings of the storage unit.
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start_with(
        config: ServerConfig,
        seams: Seams,
        runtimes: usize,
        unit: LogServerConfig,
    ) -> Result<Node, StartError> {
        let stops = Stops::new();
        let worker = Arc::clone(&seams.worker);
        let steps = async {
            let found = Found::look(config, seams, runtimes, unit, stops.clone()).await?;
            found.open().await?.stack().await?.serve(&*worker).await
        };
        tokio::select! {
            biased;
            started = steps => started,
            () = stops.failed() => Err(StartError::Lost),
        }
    }
}
