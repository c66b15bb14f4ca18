//! A runtime's way to the stack and back: what its handlers proposed leaves together, and the outputs of a batch come
//! back with one wake-up.
//!
//! Waking a task of another thread's runtime costs a system call. So apply puts all outputs of a batch that belong to
//! one runtime into that runtime's port and wakes its one dispatcher, which wakes the waiting handlers locally. The
//! other way, a handler only asks its dispatcher to flush: that runs behind the handlers that are ready now, so what
//! arrived on the runtime's connections together sets out as one batch.
//! Bound: a port holds at most one output per handler that waits, and handlers are bounded by the batching queue.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// One runtime's port; `T` is what handlers wait for.
pub struct ReplyPort<T> {
    arrived: Mutex<Vec<(oneshot::Sender<T>, T)>>,
    wake: Notify,
}

impl<T: Send + 'static> ReplyPort<T> {
    /// A port whose [`Self::dispatch`] has still to be run on its runtime.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { arrived: Mutex::new(Vec::new()), wake: Notify::new() })
    }

    /// Puts replies in, and wakes the dispatcher once.
    pub fn deliver(&self, replies: impl IntoIterator<Item = (oneshot::Sender<T>, T)>) {
        self.arrived.lock().extend(replies);
        self.wake.notify_one();
    }

    /// Asks for a flush behind the tasks that are ready now.
    pub(crate) fn ask_for_flush(&self) {
        self.wake.notify_one();
    }

    /// Gives replies to their handlers and calls `flush` after, until `stop`; run it as a task of the port's runtime.
    pub async fn dispatch(self: Arc<Self>, flush: impl Fn(), stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = stop.cancelled() => return,
            }
            std::mem::swap(&mut *self.arrived.lock(), &mut batch);
            for (waiter, reply) in batch.drain(..) {
                // A handler whose client left no longer waits.
                let _ = waiter.send(reply);
            }
            flush();
        }
    }
}

/// A handler's place in a port.
pub struct Waiter<T> {
    pub(crate) port: Arc<ReplyPort<T>>,
    pub(crate) slot: oneshot::Sender<T>,
}

impl<T: Send + 'static> Waiter<T> {
    /// A place and the future of its reply.
    pub fn new(port: &Arc<ReplyPort<T>>) -> (Self, oneshot::Receiver<T>) {
        let (slot, reply) = oneshot::channel();
        (Self { port: Arc::clone(port), slot }, reply)
    }
}

/// Delivers each reply to its port, one wake-up per port.
pub(crate) fn deliver_all<T: Send + 'static>(replies: impl IntoIterator<Item = (Waiter<T>, T)>) {
    // There are as many ports as runtimes: a short list beats a map.
    let mut ports: Vec<(Arc<ReplyPort<T>>, Vec<(oneshot::Sender<T>, T)>)> = Vec::new();
    for (waiter, reply) in replies {
        let known = ports.iter_mut().find(|(port, _)| Arc::ptr_eq(port, &waiter.port));
        match known {
            Some((_, batch)) => batch.push((waiter.slot, reply)),
            None => ports.push((waiter.port, vec![(waiter.slot, reply)])),
        }
    }
    for (port, batch) in ports {
        port.deliver(batch);
    }
}
