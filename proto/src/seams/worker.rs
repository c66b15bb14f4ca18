//! Threads and tasks. A Worker runs one async body. In production it is a named thread with its own runtime; in the
//! simulator it is a task. The factory of the body is `Send`; the future that it makes need not be.
//!
//! Invariant: no thread and no task ends unnoticed. A body that panics cancels its `stop`. Everything that depends on
//! the body shares that token, so the node ends instead of running on without a part.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Makes the body's future on the Worker's own thread.
pub type Body = Box<dyn FnOnce(CancellationToken) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Starts Workers and tasks.
pub trait Worker: Send + Sync {
    /// Starts `body` under `name` (Linux keeps at most 15 bytes of it). After `stop` is cancelled, the body finishes
    /// its work and ends. If it panics or cannot begin, `stop` is cancelled for all that share it.
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle;

    /// Runs `body` as a task of the caller's runtime. The task ends by itself; if it panics, the panic is logged under
    /// `name` and `stop` is cancelled for all that share it.
    #[expect(clippy::disallowed_methods, reason = "the one place where tasks are spawned")]
    fn start_task(&self, name: &'static str, stop: CancellationToken, body: BoxFuture<'static, ()>) {
        tokio::spawn(async move {
            if let Err(payload) = AssertUnwindSafe(body).catch_unwind().await {
                tracing::error!(task = name, panic = panic_text(payload.as_ref()), "a task panicked; the node ends");
                stop.cancel();
            }
        });
    }
}

/// A handle of the running body.
pub struct WorkerHandle {
    name: String,
    done: oneshot::Receiver<Result<(), String>>,
}

impl WorkerHandle {
    /// For implementations of [`Worker`]: a handle, and the sender for the result of its body.
    pub fn new(name: &str) -> (oneshot::Sender<Result<(), String>>, WorkerHandle) {
        let (tx, done) = oneshot::channel();
        (tx, WorkerHandle { name: name.to_owned(), done })
    }

    /// Waits for the end of the body. The error is the text of its panic, or why it could not begin.
    pub async fn join(self) -> Result<(), String> {
        self.done.await.unwrap_or_else(|_| Err(format!("worker {} vanished", self.name)))
    }
}

/// Starts an async function. The same as [`Worker::start`], without the boxes.
pub fn start<F>(
    worker: &dyn Worker,
    name: &str,
    stop: CancellationToken,
    body: impl FnOnce(CancellationToken) -> F + Send + 'static,
) -> WorkerHandle
where
    F: Future<Output = ()> + 'static,
{
    worker.start(name, stop, Box::new(move |stop| Box::pin(body(stop))))
}

/// The text of a panic's payload.
pub fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic with a payload that is no text".to_owned())
}

/// Runs `body` to its end. A panic becomes an error and cancels `stop`.
pub(crate) async fn guarded(stop: CancellationToken, body: Body) -> Result<(), String> {
    let end = AssertUnwindSafe(async { body(stop.clone()).await }).catch_unwind().await;
    end.map_err(|p| {
        stop.cancel();
        panic_text(p.as_ref())
    })
}

/// Starts a named thread with a current-thread runtime for each body.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadWorker;

impl Worker for ThreadWorker {
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle {
        let (tx, handle) = WorkerHandle::new(name);
        let (siblings, own_name) = (stop.clone(), name.to_owned());
        let run = move || {
            let end = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    let local = tokio::task::LocalSet::new();
                    runtime.block_on(local.run_until(guarded(stop, body)))
                }
                Err(error) => {
                    Err(cannot_begin(&stop, &own_name, format!("its runtime needs file descriptors: {error}")))
                }
            };
            // If the handle was dropped, nobody needs the result.
            let _ = tx.send(end);
        };
        match std::thread::Builder::new().name(name.to_owned()).spawn(run) {
            Ok(_) => handle,
            Err(error) => {
                let text =
                    format!("the system gives no thread: {error}; see `ulimit -u` and the container's pids limit");
                let (tx, handle) = WorkerHandle::new(name);
                let _ = tx.send(Err(cannot_begin(&siblings, name, text)));
                handle
            }
        }
    }
}

/// Logs why the body of the Worker `name` cannot begin, and cancels `stop`.
fn cannot_begin(stop: &CancellationToken, name: &str, error: String) -> String {
    tracing::error!(thread = name, error, "a thread cannot begin");
    stop.cancel();
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_reaches_join_and_stops_the_siblings() {
        let stop = CancellationToken::new();
        let sibling = start(&ThreadWorker, "sibling", stop.clone(), |stop| async move { stop.cancelled().await });
        let bad = start(&ThreadWorker, "bad", stop, |_| async { panic!("on purpose") });
        assert_eq!(bad.join().await, Err("on purpose".to_owned()));
        assert_eq!(sibling.join().await, Ok(()));
    }

    #[tokio::test]
    async fn a_task_that_panics_stops_what_shares_its_token() {
        let stop = CancellationToken::new();
        ThreadWorker.start_task("good", stop.clone(), Box::pin(async {}));
        ThreadWorker.start_task("bad", stop.clone(), Box::pin(async { panic!("on purpose") }));
        stop.cancelled().await;
    }
}
