//! A node: everything between the flags and the ports. Only this module connects the storage unit, the sequencer, the
//! engine stack and the services with each other.
//!
//! - [`start`]: opens the parts in their order; [`serve`]: puts the services on the port; [`stops`]: which parts end
//!   together
//! - [`cluster`]: the other nodes: how they are reached, and what this node does for them
//! - [`Part`]: a log server or a sequencer on a machine of its own; [`Running`]: a [`Node`] or a [`Part`]
//! - [`hand_over`]: what a node that stops leaves to the others; [`end`](end::end): its last steps
//! - [`recover`]: goes on after the quorum was lost; [`restore`]: makes a data directory from a backup
//! - [`replicas`]: compares the state of this node with that of the others
//! - [`upkeep`]: the work that is done at intervals; [`versions`]: the version of the cluster
//! - [`probe`]: looks into a running node, for tests
//! - [`attempts`]: the pauses of a start that waits for other nodes
//! - [`ids`]: the node's ids; [`health`], [`gauges`]: the node's state for health checks and metrics

mod attempts;
mod cluster;
mod end;
mod gauges;
mod hand_over;
mod health;
mod ids;
mod part;
mod part_health;
mod part_inside;
pub mod probe;
pub(crate) mod recover;
mod replicas;
pub(crate) mod restore;
mod running;
mod serve;
mod start;
mod stops;
mod upkeep;
mod versions;

use std::sync::Arc;

use naxos_log_server::LogServer;
use naxos_proto::seams::{Address, WorkerHandle};
use tokio::sync::watch;

use self::end::end;
use self::hand_over::HandOver;
use self::probe::Probe;
use self::stops::Stops;
use crate::backend::Backend;
use crate::port::Port;
use crate::services::Desk;
pub use part::Part;
pub use running::Running;
pub use start::StartError;

/// A running node.
pub struct Node {
    port: Port,
    stops: Stops,
    workers: Vec<WorkerHandle>,
    log_server: LogServer,
    backend: Arc<Backend>,
    /// The services of one RPC runtime, for calls within the process.
    desk: watch::Receiver<Option<Desk>>,
}

impl Node {
    /// The addresses that were bound, in the order of the configuration's listeners. They differ from the configured
    /// ones where the system chose the port.
    pub fn bound_addresses(&self) -> &[Address] {
        self.port.bound_addresses()
    }

    /// The services of one RPC runtime, for calls within the process. Waits until they run; `None` if the node ends
    /// before that.
    pub(crate) async fn desk(&self) -> Option<Desk> {
        let mut desk = self.desk.clone();
        let ready = desk.wait_for(Option::is_some).await;
        ready.ok().and_then(|desk| desk.clone())
    }

    /// Looks into the node, for tests.
    pub fn probe(&self) -> Probe {
        Probe::of_node(&self.backend)
    }

    /// Waits until the node cannot go on, and returns the reason. Waits for ever if that does not happen.
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) -> String {
        self.stops.why_failed().await
    }

    /// Waits until the log no longer holds the next entry that this node has to apply. The node cannot go on then, but
    /// nothing is wrong with it: stopped, and started again on the same data directory, it gets a snapshot from another
    /// member and goes on. Waits for ever if that does not happen.
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn fell_behind(&self) {
        self.backend.stack.fell_behind().await;
    }

    /// Waits until this member was removed from the cluster and is not needed any more. Waits for ever if that does not
    /// happen.
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn removed(&self) {
        self.backend.removed.cancelled().await;
    }

    /// Hands the sequencer and the lead of the MetaStore over to other nodes, if this node has them. Then lets
    /// requests in flight finish, writes a last checkpoint and ends. Returns why a Worker has failed, if one has.
    /// # Cancel safety
    /// Not cancel safe: if the future is dropped, the port closes, but other parts of the node may go on running.
    pub async fn stop(self) -> Option<String> {
        HandOver::of(&self.backend).run().await;
        self.stops.serving.cancel();
        self.port.drain().await;
        self.backend.stack.shut();
        let lock = self.log_server.lock();
        let failed = end(&self.stops, self.workers, &self.backend.meta, self.log_server).await;
        let file = self.backend.reader.file();
        // Closes the store, unless the program has kept a handle, for example of its objects.
        drop((self.backend, self.desk));
        file.end_writes();
        drop(lock);
        tracing::info!("closed etcd server");
        failed
    }
}
