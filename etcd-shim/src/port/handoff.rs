//! A socket on its way from the accept Worker to a runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use naxos_proto::seams::{Accepted, PeerAddress};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Sockets waiting for one runtime.
pub(super) const HANDOFFS_MAX: usize = 256;

/// An accepted socket.
pub(super) struct Handoff {
    /// Not registered with any runtime yet.
    pub(super) accepted: Accepted,
    /// Who connected.
    pub(super) address: naxos_proto::seams::PeerAddress,
    /// Which of the configured listeners accepted it.
    pub(super) listener: usize,
    /// Held as long as the connection lives.
    pub(super) hold: Hold,
}

/// What a connection counts against.
pub(super) struct Hold {
    load: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Relaxed);
    }
}

/// The way to one runtime.
pub(super) struct RuntimeInlet {
    /// Its queue.
    pub(super) queue: mpsc::Sender<Handoff>,
    /// Its connections, those on the way included.
    pub(super) load: Arc<AtomicUsize>,
}

impl RuntimeInlet {
    /// Hands a socket over, waiting for room in the queue. False when the runtime has ended.
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
