//! [`Turn`]: limits how much a connection writes before the other tasks of its runtime run.
//!
//! A turn begins when the connection is polled, and is over when the connection has written `bytes_max` bytes. Then the
//! next turn begins only after the runtime has run all other tasks that are ready and has looked at its sockets.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures::task::AtomicWaker;

/// The turn of one connection; see the module.
#[derive(Debug)]
pub(super) struct Turn {
    bytes_max: usize,
    /// Bytes written in this turn.
    written: usize,
    /// The wait for the next turn, while the connection has to wait.
    rest: Option<Arc<Rest>>,
}

/// A wait for the next turn.
#[derive(Debug, Default)]
struct Rest {
    is_over: AtomicBool,
    /// The task of the connection, which is woken at the end of the wait.
    task: AtomicWaker,
}

impl Wake for Rest {
    fn wake(self: Arc<Self>) {
        self.is_over.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Turn {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, written: 0, rest: None }
    }

    /// To be called before each poll of the connection. Begins a turn, unless the connection still has to wait for its
    /// turn: something else may have woken its task.
    pub(super) fn begin(&mut self, cx: &Context<'_>) {
        if let Some(rest) = &self.rest {
            // The waker is registered before the check, so that the end of the wait is not missed.
            rest.task.register(cx.waker());
            if !rest.is_over.load(Ordering::Acquire) {
                return;
            }
            self.rest = None;
        }
        self.written = 0;
    }

    /// Whether the connection has written enough and has to wait for its next turn.
    pub(super) fn is_over(&self) -> bool {
        self.written >= self.bytes_max
    }

    /// Counts bytes that were written.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes);
    }

    /// To be called after each poll of the connection. If its turn is over, the connection is woken after the runtime
    /// has run all other ready tasks and looked at its sockets. If a task yields, tokio wakes the task at exactly that
    /// time. That is why this function uses a yield.
    pub(super) fn end(&mut self, cx: &Context<'_>) {
        if !self.is_over() || self.rest.is_some() {
            return;
        }
        let rest = Arc::new(Rest::default());
        rest.task.register(cx.waker());
        let waker = Waker::from(Arc::clone(&rest));
        // The first poll makes the runtime wake `rest` later. After that the future is not needed any more.
        let asked = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
        debug_assert!(asked.is_pending());
        self.rest = Some(rest);
    }
}
