//! [`Life`]: a node in this process, from its start to its end.

use std::sync::Arc;
use std::time::Duration;

use naxos_log_server::LogServerConfig;
use naxos_proto::seams::{Address, Clock, Seams, start};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::config::ServerConfig;
use crate::node::Node;
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
    /// Where clients of etcd are served.
    pub(super) addresses: Vec<Address>,
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
        // If the thread panics, the guard is dropped all the same, and so is the sender of the phases.
        drop(start(&*worker, "naxos", stop.clone(), move |stop| async move {
            let _over = over;
            run(plan, tell, stop).await;
        }));
        let life = Self { phase, stop, ended, clock };
        life.started().await?;
        Ok(life)
    }

    /// What calls need. Waits for a node that starts again, but not for ever.
    pub(super) async fn serving(&self) -> Result<Arc<Serving>, Error> {
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
async fn run(plan: Plan, tell: watch::Sender<Phase>, stop: CancellationToken) {
    loop {
        let Plan { config, seams, runtimes, unit, applicator } = plan.clone();
        let started = Node::start_with(config, seams, runtimes, unit, applicator);
        let node = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            node = started => node,
        };
        let node = match node {
            Ok(node) => node,
            Err(error) => {
                tell.send_replace(Phase::Failed(Error::Start(error.to_string())));
                return;
            }
        };
        if let Some(desk) = node.desk().await {
            let addresses = node.bound_addresses().to_vec();
            tell.send_replace(Phase::Serving(Arc::new(Serving { desk, addresses })));
        }
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => Phase::Failed(Error::Ended("it was stopped".to_owned())),
            why = node.ended() => Phase::Failed(Error::Ended(why)),
            () = node.removed() => Phase::Failed(Error::Ended("it was removed from the cluster".to_owned())),
            // The log no longer holds what this node has to apply next. A start gets a snapshot from another node.
            () = node.fell_behind() => Phase::Starting,
        };
        let is_over = matches!(next, Phase::Failed(_));
        tell.send_replace(next);
        node.stop().await;
        if is_over {
            return;
        }
    }
}
