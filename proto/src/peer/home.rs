//! [`Home`]: what all calls of a node share.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::Response;

use crate::ids::{Incarnation, LogId};
use crate::peer::ChainNews;
use crate::peer::envelope::write_chain;
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
    /// Whether the other nodes have admitted this process. Until then it answers nothing but heartbeats.
    pub admitted: watch::Receiver<bool>,
    /// Measures the deadlines.
    pub clock: Arc<dyn Clock>,
    /// Runs streams on the runtime of the caller. A panic in one of them ends the node.
    pub tasks: Tasks,
}

impl Home {
    /// An answer of this node, with the version of its chain.
    pub(super) fn answer<T>(&self, message: T) -> Response<T> {
        let mut response = Response::new(message);
        write_chain(response.metadata_mut(), self.news.known());
        response
    }
}
