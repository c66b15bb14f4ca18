//! [`Home`]: what all calls of a node share.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::Response;

use crate::ids::{Incarnation, LogId};
use crate::peer::envelope::{write_chain, write_synced};
use crate::peer::generated as wire;
use crate::peer::{ChainNews, SyncedNews};
use crate::seams::{Clock, Tasks};

/// The identity of this node, and the means by which it calls its peers and serves them.
#[derive(Clone)]
pub struct Home {
    /// The log of the cluster.
    pub log: LogId,
    /// This process.
    pub me: Incarnation,
    /// The versions of the chain that are told and heard.
    pub news: Arc<ChainNews>,
    /// How many batches of this node's journal are durable, and what the peers told of theirs.
    pub synced: Arc<SyncedNews>,
    /// Whether the other nodes have admitted this process. Until then its gates refuse all calls except heartbeats.
    pub admitted: watch::Receiver<bool>,
    /// Measures the deadlines.
    pub clock: Arc<dyn Clock>,
    /// Runs streams on the runtime of the caller. A panic in one of them ends the node.
    pub tasks: Tasks,
}

impl Home {
    /// An answer of this node, with the version of its chain and the number of its durable batches.
    pub(super) fn answer<T>(&self, message: T) -> Response<T> {
        let mut response = Response::new(message);
        write_chain(response.metadata_mut(), self.news.known());
        let (boot, count) = self.synced.own();
        write_synced(response.metadata_mut(), boot, count);
        response
    }

    /// The number of this node's durable batches, for a frame of a stream. It must be asked for after the rest of the frame is
    /// known.
    pub(super) fn synced_now(&self) -> wire::Synced {
        let (boot, count) = self.synced.own();
        wire::Synced { boot: boot.0, count }
    }
}
