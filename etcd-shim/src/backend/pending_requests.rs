//! Where the requests of one runtime wait for the outcomes of their commands, and for how long.

use std::sync::Arc;

use naxos_engines::batching::Reply;
use naxos_engines::reply_port::ReplyPort;

use super::deadlines::Deadlines;
use crate::state::Outcome;

/// See the module.
pub(crate) struct PendingRequests {
    /// Where the outcomes arrive.
    pub(crate) replies: Arc<ReplyPort<Reply<Outcome>>>,
    /// Gives up requests that wait for too long.
    pub(crate) deadlines: Arc<Deadlines>,
}

impl PendingRequests {
    /// A place for the requests of one runtime. The caller still has to run [`ReplyPort::dispatch`] of `replies` and
    /// [`Deadlines::run`].
    pub(crate) fn new(deadlines: Arc<Deadlines>) -> Arc<Self> {
        Arc::new(Self { replies: ReplyPort::new(), deadlines })
    }
}
