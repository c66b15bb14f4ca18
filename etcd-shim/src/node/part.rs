//! [`Part`]: a running log server or sequencer.

use std::sync::Arc;

use naxos_log_server::LogServer;
use naxos_proto::seams::WorkerHandle;
use tokio_util::sync::CancellationToken;

use super::end::end;
use super::hand_over::HandOver;
use super::part_inside::PartInside;
use super::probe::Probe;
use super::stops::Stops;
use crate::port::Port;

/// A node of the cluster that replays no log and serves no client: a log server or a sequencer. It has the same parts as a
/// whole node, without the engine stack and the services of etcd.
pub struct Part {
    pub(super) port: Port,
    pub(super) stops: Stops,
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) log_server: LogServer,
    pub(super) inside: Arc<PartInside>,
    pub(super) hand_over: HandOver,
    pub(super) removed: CancellationToken,
}

impl Part {
    /// Looks into the part, for tests.
    pub fn probe(&self) -> Probe {
        Probe::of_part(&self.inside)
    }

    /// Waits until the part cannot go on, and returns the reason. Waits for ever if that does not happen.
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) -> String {
        self.stops.why_failed().await
    }

    /// Waits until this member was removed from the cluster and is not needed any more. Waits for ever if that does not
    /// happen.
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn removed(&self) {
        self.removed.cancelled().await;
    }

    /// Hands the sequencer and the lead of the MetaStore over to other nodes, if this one has them. Then ends.
    /// # Cancel safety
    /// Not cancel safe: if the future is dropped, the port closes, but other parts may go on running.
    pub async fn stop(self) {
        self.hand_over.run().await;
        self.stops.serving.cancel();
        self.port.drain().await;
        end(&self.stops, self.workers, &self.inside.meta, self.log_server).await;
    }
}
