//! Where the requests of one runtime wait for the outcomes of their commands, and for how long.

use std::sync::Arc;

use naxos_engines::batching::Reply;
use naxos_engines::reply_port::ReplyPort;

use super::deadlines::Deadlines;
use crate::state::Outcome;

/// See the module.
pub(crate) struct PendingRequests {
    /// The outcomes come back here.
    pub(crate) replies: Arc<ReplyPort<Reply<Outcome>>>,
    /// When a request is given up.
    pub(crate) deadlines: Arc<Deadlines>,
}

impl PendingRequests {
    /// A place to wait whose replies have still to be dispatched, and its deadlines ticked.
    pub(crate) fn new(deadlines: Arc<Deadlines>) -> Arc<Self> {
        Arc::new(Self { replies: ReplyPort::new(), deadlines })
    }
}
