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
mod counted_worker;
mod found;
mod kept_up;
mod open_store;
mod opened;
mod own_rows;
mod rebuilt;
mod running_stack;
mod serving;
mod stacked;
mod start_error;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use naxos_log_server::LogServerConfig;
use naxos_proto::seams::Seams;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::counted_worker::CountedWorker;
use self::found::Found;
use super::stops::Stops;
use super::{Node, Part};
use crate::config::ServerConfig;
use crate::state::Applicator;

pub(in crate::node) use open_store::{LoadError, reopen_store};
pub use start_error::StartError;

/// How long a start that has failed waits until everything that it has started has ended.
const ENDS_MAX: Duration = Duration::from_secs(5);

impl Node {
    /// Starts a node. Returns when it serves.
    /// # Cancel safety
    /// Dropping the future closes what was opened. The threads end soon after that, and the lock on the data directory is
    /// held until those that write have ended.
    pub async fn start(config: ServerConfig, seams: Seams) -> Result<Node, StartError> {
        let runtimes = std::thread::available_parallelism().map_or(1, usize::from);
        Self::start_with(&CancellationToken::new(), config, seams, runtimes, LogServerConfig::default(), None).await
    }

    /// Does what [`Node::start`] does, with a given number of RPC runtimes, given settings of the storage unit, and a state
    /// machine of the program's own, if it has one. If `stop` is cancelled before the node serves, ends everything that was
    /// started, waits for that, and returns [`StartError::Stopped`]. After that `stop` has no effect.
    /// # Cancel safety
    /// As [`Node::start`].
    pub async fn start_with(
        stop: &CancellationToken,
        config: ServerConfig,
        seams: Seams,
        runtimes: usize,
        unit: LogServerConfig,
        applicator: Option<Arc<dyn Applicator>>,
    ) -> Result<Node, StartError> {
        within(seams, stop, async |stops, seams| {
            let worker = Arc::clone(&seams.worker);
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
    /// Dropping the future closes what was opened. The threads end soon after that, and the lock on the data directory is
    /// held until those that write have ended.
    pub async fn start(config: ServerConfig, seams: Seams, unit: LogServerConfig) -> Result<Part, StartError> {
        within(seams, &CancellationToken::new(), async |stops, seams| {
            // Only health checks and metrics are served: one runtime is enough.
            let found = Found::look(config, seams, 1, unit, stops, None).await?;
            Ok(found.open().await?.0.keep_up())
        })
        .await
    }
}

/// Does the steps of a start. Fails if a part that was started meanwhile fails, or when `stop` is cancelled. A start that
/// fails or is dropped ends everything that it has started; one that fails also waits for that, but not for ever. It
/// cancels the same tokens as [`end`](crate::node::end::end), which makes the Workers write what they still have to write.
async fn within<T>(
    seams: Seams,
    stop: &CancellationToken,
    steps: impl AsyncFnOnce(Stops, Seams) -> Result<T, StartError>,
) -> Result<T, StartError> {
    let (stops, running, clock) = (Stops::new(), TaskTracker::new(), Arc::clone(&seams.clock));
    let worker = Arc::new(CountedWorker { inner: Arc::clone(&seams.worker), running: running.clone() });
    let seams = Seams { worker, ..seams };
    let ends = [stops.serving.clone().drop_guard(), stops.running.clone().drop_guard()];
    // The log is replayed on this thread, so a failure of the program's own state machine may unwind through these steps.
    let started = tokio::select! {
        biased;
        started = AssertUnwindSafe(steps(stops.clone(), seams)).catch_unwind() => started,
        () = stops.failed() => Ok(Err(StartError::Lost)),
        () = stop.cancelled() => Ok(Err(StartError::Stopped)),
    };
    let failed = match started {
        Ok(Ok(started)) => {
            for end in ends {
                end.disarm();
            }
            return Ok(started);
        }
        Ok(Err(error)) => Ok(error),
        Err(panic) => Err(panic),
    };
    // A program that embeds the node lives on, and may open the directory again at once. The handles of the Workers were
    // dropped with the steps.
    drop(ends);
    running.close();
    tokio::select! {
        biased;
        () = running.wait() => {}
        () = clock.sleep(ENDS_MAX) => tracing::warn!("a start has failed, and not all of its threads have ended"),
    }
    match (failed, stops.failure.why()) {
        // Any other error only follows from the failure.
        (_, Some(why)) => Err(StartError::Own(why.to_owned())),
        (Ok(error), None) => Err(error),
        (Err(panic), None) => resume_unwind(panic),
    }
}

fn no_state() -> StartError {
    StartError::Begin("a log server or a sequencer replays no log: expected a start by `Part::start`".to_owned())
}
