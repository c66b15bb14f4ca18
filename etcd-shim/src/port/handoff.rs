//! [`Handoff`]: a socket on its way from the accept Worker to a runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use naxos_proto::seams::{Accepted, PeerAddress};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// The most sockets that may wait for one runtime.
pub(super) const HANDOFFS_MAX: usize = 256;

/// An accepted socket, and what is known of it.
pub(super) struct Handoff {
    /// The socket. It is not registered with any runtime yet.
    pub(super) accepted: Accepted,
    /// The address of the client.
    pub(super) address: naxos_proto::seams::PeerAddress,
    /// The index of the configured listener that accepted it.
    pub(super) listener: usize,
    /// Held for as long as the connection lives.
    pub(super) hold: Hold,
}

/// Counts a connection, while it lives, against its runtime and against the limit of connections.
pub(super) struct Hold {
    load: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Relaxed);
    }
}

/// The accept Worker's end of the queue to one runtime.
pub(super) struct RuntimeInlet {
    /// The queue.
    pub(super) queue: mpsc::Sender<Handoff>,
    /// The number of the runtime's connections, including those on the way.
    pub(super) load: Arc<AtomicUsize>,
}

impl RuntimeInlet {
    /// Hands a socket over, after waiting for room in the queue. Returns false if the runtime has ended.
    pub(super) async fn send(
        &self,
        accepted: Accepted,
        address: PeerAddress,
        listener: usize,
        permit: OwnedSemaphorePermit,
    ) -> bool {
        self.load.fetch_add(1, Relaxed);
        let hold = Hold { load: self.load.clone(), _permit: permit };
        self.queue.send(Handoff { accepted, address, listener, hold }).await.is_ok()
    }
}
