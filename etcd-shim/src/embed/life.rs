//! [`Life`]: a node in this process, from its start to its end.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use naxos_engines::objects::Objects;
use naxos_log_server::{LogServerConfig, OpenError};
use naxos_proto::seams::{Address, Clock, Seams, panic_text, start};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::node_objects::NodeObjects;
use crate::config::ServerConfig;
use crate::node::{Node, StartError};
use crate::services::Desk;
use crate::state::Applicator;

/// How long a call waits for a node that starts again.
const START_AGAIN_MAX: Duration = Duration::from_secs(10);

/// What the node needs for each of its starts.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) config: ServerConfig,
    pub(super) seams: Seams,
    pub(super) runtimes: usize,
    pub(super) unit: LogServerConfig,
    pub(super) applicator: Option<Arc<dyn Applicator>>,
}

/// How far the node is.
#[derive(Clone)]
enum Phase {
    /// It does not serve yet, or starts again because it was too far behind the others.
    Starting,
    Serving(Arc<Serving>),
    Failed(Error),
}

/// What calls need.
pub(super) struct Serving {
    pub(super) desk: Desk,
    /// All handles of one start are clones of this one, so that they can be used in one transaction.
    pub(super) objects: Objects,
    /// Where clients of etcd are served.
    pub(super) addresses: Vec<Address>,
}

impl Serving {
    fn new(desk: Desk, addresses: Vec<Address>) -> Self {
        let changed = desk.backend.objects_changed.clone();
        let objects = Objects::new(Arc::new(NodeObjects(desk.clone())), changed);
        Self { desk, objects, addresses }
    }
}

/// Runs the node on a thread of its own. When this is dropped, the node stops.
pub(super) struct Life {
    phase: watch::Receiver<Phase>,
    stop: CancellationToken,
    /// Cancelled when everything is written and closed.
    ended: CancellationToken,
    clock: Arc<dyn Clock>,
}

impl Life {
    /// Starts the node, and waits until it serves.
    pub(super) async fn start(plan: Plan) -> Result<Self, Error> {
        let seams = &plan.seams;
        let (tell, phase) = watch::channel(Phase::Starting);
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (worker, clock, over) = (Arc::clone(&seams.worker), Arc::clone(&seams.clock), ended.clone().drop_guard());
        // If the thread panics, the guard is dropped all the same.
        let thread = start(&*worker, "naxos", stop.clone(), move |stop| async move {
            let _over = over;
            if let Err(panic) = AssertUnwindSafe(run(plan, &tell, stop)).catch_unwind().await {
                let why = format!("its thread has panicked: {}", panic_text(&*panic));
                tell.send_replace(Phase::Failed(Error::Ended(why)));
                resume_unwind(panic);
            }
        });
        let life = Self { phase, stop, ended, clock };
        match life.started().await {
            Ok(_) => Ok(life),
            // The handle of the thread also says why a thread could not begin.
            Err(Error::Ended(why)) => Err(Error::Start(thread.join().await.err().unwrap_or(why))),
            Err(error) => Err(error),
        }
    }

    /// What calls need. Waits for a node that starts again, but not for ever.
    pub(super) async fn serving(&self) -> Result<Arc<Serving>, Error> {
        if let Phase::Serving(serving) = &*self.phase.borrow() {
            return Ok(Arc::clone(serving));
        }
        tokio::select! {
            biased;
            serving = self.started() => serving,
            () = self.clock.sleep(START_AGAIN_MAX) => Err(Error::NotDone("the node is starting again".to_owned())),
        }
    }

    /// What calls need. Waits while the node starts.
    async fn started(&self) -> Result<Arc<Serving>, Error> {
        let mut phase = self.phase.clone();
        loop {
            let now = phase.borrow_and_update().clone();
            match now {
                Phase::Serving(serving) => return Ok(serving),
                Phase::Failed(error) => return Err(error),
                Phase::Starting => {}
            }
            if phase.changed().await.is_err() {
                return Err(Error::Ended("its thread has ended".to_owned()));
            }
        }
    }

    /// Stops the node, and waits until everything is written and closed.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.ended.cancelled().await;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The body of the thread.
async fn run(plan: Plan, tell: &watch::Sender<Phase>, stop: CancellationToken) {
    loop {
        let Plan { config, seams, runtimes, unit, applicator } = plan.clone();
        let node = match Node::start_with(&stop, config, seams, runtimes, unit, applicator).await {
            Ok(node) => node,
            Err(StartError::Stopped) => {
                tell.send_replace(Phase::Failed(Error::Ended("it was stopped".to_owned())));
                return;
            }
            Err(error) => {
                tell.send_replace(Phase::Failed(does_not_start(&error)));
                return;
            }
        };
        if let Some(desk) = node.desk().await {
            let addresses = node.bound_addresses().to_vec();
            tell.send_replace(Phase::Serving(Arc::new(Serving::new(desk, addresses))));
        }
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => Phase::Failed(Error::Ended("it was stopped".to_owned())),
            why = node.ended() => Phase::Failed(Error::Ended(why)),
            () = node.removed() => Phase::Failed(Error::Ended("it was removed from the cluster".to_owned())),
            // The log no longer holds what this node has to apply next. A start gets a snapshot from another node.
            () = node.fell_behind() => Phase::Starting,
        };
        tell.send_replace(next.clone());
        let failed = node.stop().await;
        if let Phase::Failed(why) = next {
            if let Some(failed) = failed {
                tell.send_replace(Phase::Failed(with_worker(why, &failed)));
            }
            return;
        }
    }
}

/// The error for the caller. A directory that is locked may be locked by this program itself.
fn does_not_start(error: &StartError) -> Error {
    let hint = match error {
        StartError::LogServer(OpenError::Locked { .. }) => {
            ". It may also be this program: after its last handle was dropped, a node stops in the background, and \
             `stop().await` waits until it has"
        }
        _ => "",
    };
    Error::Start(format!("{error}{hint}"))
}

/// Why a node has ended of which a Worker has failed. What the Worker says is known only after the node has stopped.
fn with_worker(why: Error, failed: &str) -> Error {
    match why {
        Error::Ended(why) if !why.contains(failed) => Error::Ended(format!("{why}: {failed}")),
        why => why,
    }
}
