//! [`Life`]: a node in this process, from its start to its end.

use naxos_log_server::LogServerConfig;
use naxos_proto::seams::{Address, Seams, WorkerHandle, start};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::config::ServerConfig;
use crate::node::Node;
use crate::services::Desk;

/// How far the node is.
#[derive(Clone)]
enum Phase {
    /// It does not serve yet, or starts again because it was too far behind the others.
    Starting,
    Serving(Box<Serving>),
    Failed(Error),
}

/// What calls need.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) desk: Desk,
    /// Where clients of etcd are served.
    pub(super) addresses: Vec<Address>,
}

/// Runs the node on a thread of its own. When this is dropped, the node stops.
pub(super) struct Life {
    phase: watch::Receiver<Phase>,
    stop: CancellationToken,
    worker: Mutex<Option<WorkerHandle>>,
}

impl Life {
    /// Starts the node, and waits until it serves.
    pub(super) async fn start(config: ServerConfig, seams: Seams) -> Result<Self, Error> {
        let (tell, phase) = watch::channel(Phase::Starting);
        let stop = CancellationToken::new();
        let worker = std::sync::Arc::clone(&seams.worker);
        let handle = start(&*worker, "naxos", stop.clone(), move |stop| run(config, seams, tell, stop));
        let life = Self { phase, stop, worker: Mutex::new(Some(handle)) };
        life.serving().await?;
        Ok(life)
    }

    /// What calls need. Waits while the node starts.
    pub(super) async fn serving(&self) -> Result<Serving, Error> {
        let mut phase = self.phase.clone();
        loop {
            let now = phase.borrow_and_update().clone();
            match now {
                Phase::Serving(serving) => return Ok(*serving),
                Phase::Failed(error) => return Err(error),
                Phase::Starting => {}
            }
            if phase.changed().await.is_err() {
                return Err(Error::Ended("its thread has ended".to_owned()));
            }
        }
    }

    /// Stops the node, and waits until everything is written and closed.
    pub(super) async fn stop(&self) -> Result<(), Error> {
        self.stop.cancel();
        let worker = self.worker.lock().take();
        match worker {
            Some(worker) => worker.join().await.map_err(Error::Ended),
            None => Ok(()),
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The body of the thread.
async fn run(config: ServerConfig, seams: Seams, tell: watch::Sender<Phase>, stop: CancellationToken) {
    let runtimes = std::thread::available_parallelism().map_or(1, usize::from);
    loop {
        let unit = LogServerConfig::default();
        let started = Node::start_with(config.clone(), seams.clone(), runtimes, unit);
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
            tell.send_replace(Phase::Serving(Box::new(Serving { desk, addresses })));
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
