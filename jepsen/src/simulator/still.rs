//! [`Gate`]: stops a whole process, as SIGSTOP does, and lets it go on later with what it knew before.
//!
//! The node's tasks, its worker bodies and its connections all pass a gate. While it is shut, none of them does anything,
//! and timers that fire are noticed only later. Time goes on, so the clocks of the process have moved on when it wakes.
//! What others send waits in its sockets. Tasks that openraft and the HTTP libraries start for themselves are not
//! stopped, but nothing that they do gets out of the process before it wakes.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use futures::future::BoxFuture;
use naxos_proto::seams::sim::TaskWorker;
use naxos_proto::seams::{Accepted, Address, Body, BoxConnection, Listener, Net, PeerAddress, Worker, WorkerHandle};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Whether a process stands still. Clones share it.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_shut: bool,
    /// The wakers of the tasks that have come to the gate since it was shut, one for each task.
    waiting: Vec<Waker>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate(shut: {})", self.0.lock().is_shut)
    }
}

impl Gate {
    /// The process stands still from now on.
    pub fn shut(&self) {
        self.0.lock().is_shut = true;
    }

    /// The process goes on.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.0.lock();
            state.is_shut = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Opens the gate after the process has died, so that the next process on this host does not stand still.
    pub fn reset(&self) {
        *self.0.lock() = State::default();
    }

    fn poll_open(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if !state.is_shut {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The same future, which stands still while the gate is shut.
    pub fn guard<F: Future>(&self, inner: F) -> Guarded<F> {
        Guarded { gate: self.clone(), inner: Box::pin(inner) }
    }
}

/// A future that stands still while its gate is shut.
pub struct Guarded<F: ?Sized> {
    gate: Gate,
    inner: Pin<Box<F>>,
}

impl<F: Future + ?Sized> Future for Guarded<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        ready!(self.gate.poll_open(cx));
        self.inner.as_mut().poll(cx)
    }
}

/// Starts worker bodies and tasks behind a gate.
#[derive(Clone, Debug)]
pub struct GatedWorker(pub Gate);

impl Worker for GatedWorker {
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle {
        let gate = self.0.clone();
        TaskWorker.start(name, stop, Box::new(move |stop| Box::pin(Guarded { gate, inner: body(stop) })))
    }

    fn start_task(&self, name: &'static str, stop: CancellationToken, body: BoxFuture<'static, ()>) {
        TaskWorker.start_task(name, stop, Box::pin(Guarded { gate: self.0.clone(), inner: body }));
    }
}

/// A network all of whose connections pass a gate.
pub struct GatedNet {
    /// The network.
    pub net: Arc<dyn Net>,
    /// The gate.
    pub gate: Gate,
}

impl Net for GatedNet {
    fn listen<'a>(&'a self, at: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = self.net.listen(at).await?;
            Ok(Box::new(GatedListener { listener, gate: self.gate.clone() }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>> {
        Box::pin(self.gate.guard(async move {
            let inner = self.net.connect(to).await?;
            Ok(Box::new(GatedConnection { inner, gate: self.gate.clone() }) as BoxConnection)
        }))
    }
}

struct GatedListener {
    listener: Box<dyn Listener>,
    gate: Gate,
}

impl Listener for GatedListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, PeerAddress)>> {
        Box::pin(async move {
            let (accepted, peer) = self.listener.accept().await?;
            let inner = accepted.register()?;
            Ok((Accepted::Other(Box::new(GatedConnection { inner, gate: self.gate.clone() })), peer))
        })
    }

    fn local(&self) -> Address {
        self.listener.local()
    }
}

struct GatedConnection {
    inner: BoxConnection,
    gate: Gate,
}

impl AsyncRead for GatedConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.gate.poll_open(cx));
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for GatedConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.gate.poll_open(cx));
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.gate.poll_open(cx));
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.gate.poll_open(cx));
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pace;

    #[tokio::test(start_paused = true)]
    async fn a_task_behind_a_shut_gate_notices_its_timer_when_the_gate_opens() {
        let (gate, ended) = (Gate::default(), Arc::new(Mutex::new(false)));
        let done = Arc::clone(&ended);
        let body = async move {
            pace::pause(Duration::from_millis(10)).await;
            *done.lock() = true;
        };
        GatedWorker(gate.clone()).start_task("sleeper", CancellationToken::new(), Box::pin(body));
        pace::pause(Duration::from_millis(5)).await;
        gate.shut();
        pace::pause(Duration::from_millis(50)).await;
        assert!(!*ended.lock(), "it stands still");
        gate.open();
        pace::pause(Duration::from_millis(1)).await;
        assert!(*ended.lock(), "its timer has fired long ago");
    }
}
