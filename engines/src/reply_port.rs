//! A runtime's connection to the stack: the commands of its handlers are sent together, and the outputs of a batch
//! come back with one wake-up.
//!
//! Waking a task on another thread's runtime costs a system call. So apply puts all outputs of a batch that belong to
//! one runtime into that runtime's port and wakes only its dispatcher, which then wakes the waiting handlers locally.
//! In the other direction, a handler only asks the dispatcher to flush. The dispatcher runs after all handlers that
//! are ready now, so commands that arrived together on the runtime's connections are sent as one batch.
//!
//! Bound: a port holds at most one output for each waiting handler, and the batching queue limits the number of
//! handlers.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// The port of one runtime. `T` is the reply that handlers wait for.
pub struct ReplyPort<T> {
    arrived: Mutex<Vec<(oneshot::Sender<T>, T)>>,
    wake: Notify,
}

impl<T: Send + 'static> ReplyPort<T> {
    /// A new port. Its [`Self::dispatch`] has to be run on the port's runtime.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { arrived: Mutex::new(Vec::new()), wake: Notify::new() })
    }

    /// Adds replies to the port and wakes the dispatcher once.
    pub fn deliver(&self, replies: impl IntoIterator<Item = (oneshot::Sender<T>, T)>) {
        self.arrived.lock().extend(replies);
        self.wake.notify_one();
    }

    /// Asks the dispatcher to flush after the tasks that are ready now have run.
    pub(crate) fn ask_for_flush(&self) {
        self.wake.notify_one();
    }

    /// Gives replies to their handlers and then calls `flush`, again and again until `stop`. Run it as a task of the
    /// port's runtime.
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
                // If its client is gone, a handler no longer waits.
                let _ = waiter.send(reply);
            }
            flush();
        }
    }
}

/// A handler that waits for its reply at a port.
pub struct Waiter<T> {
    pub(crate) port: Arc<ReplyPort<T>>,
    pub(crate) slot: oneshot::Sender<T>,
}

impl<T: Send + 'static> Waiter<T> {
    /// A new waiter at `port`, and the future of its reply.
    pub fn new(port: &Arc<ReplyPort<T>>) -> (Self, oneshot::Receiver<T>) {
        let (slot, reply) = oneshot::channel();
        (Self { port: Arc::clone(port), slot }, reply)
    }
}

/// Delivers each reply to its port, with one wake-up for each port.
pub(crate) fn deliver_all<T: Send + 'static>(replies: impl IntoIterator<Item = (Waiter<T>, T)>) {
    // There are only as many ports as runtimes, so a short list is faster than a map.
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
