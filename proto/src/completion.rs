//! [`Completion`]: the callback that receives the outcome of a call on the hot path.
//!
//! `store`, `append` and `propose` take a [`Completion`] instead of returning a future. The thread that learns the
//! outcome runs the next step at once. So a batch does not have to wake a task that would only pass the outcome on
//! (`docs/adr/0001`).
//!
//! Invariant: the callback is called exactly once. If a completion is dropped, its callback gets an unknown outcome.
//! So a call that was lost on the way never looks like a success and never leaves its caller waiting.

use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// A type of outcomes or errors that has a value for "it is unknown whether the call was done". A [`Completion`] that
/// is dropped gives this value to its callback.
pub trait Unknown {
    /// The value that means that the call may or may not have been done.
    fn unknown() -> Self;
}

impl<T, E: Unknown> Unknown for Result<T, E> {
    fn unknown() -> Self {
        Err(E::unknown())
    }
}

/// Whether other work waits for the thread that completes a call. The callback may do long work on this thread only if
/// no other work waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadLoad {
    /// Nothing else waits for this thread.
    Idle,
    /// Other work waits, or it is not known whether any does.
    Busy,
}

/// A callback that receives the outcome, on the thread that learns it. The callback must not block. It must be short,
/// unless the thread is [`ThreadLoad::Idle`].
pub struct Completion<T>(Option<Box<dyn FnOnce(Option<T>, ThreadLoad) + Send>>);

impl<T: Unknown + Send + 'static> Completion<T> {
    /// A completion that calls `f`.
    pub fn new(f: impl FnOnce(T) + Send + 'static) -> Self {
        Self::on_thread(move |outcome, _| f(outcome))
    }

    /// A completion that calls `f` and also tells it whether the calling thread has other work.
    pub fn on_thread(f: impl FnOnce(T, ThreadLoad) + Send + 'static) -> Self {
        Self(Some(Box::new(move |outcome, load| f(outcome.unwrap_or_else(T::unknown), load))))
    }

    /// A completion and the future that it resolves.
    pub fn channel() -> (Self, BoxFuture<'static, T>) {
        let (tx, rx) = oneshot::channel();
        // If the receiver is gone, nobody needs the outcome.
        let completion = Self::new(move |outcome| drop(tx.send(outcome)));
        (completion, Box::pin(async move { rx.await.unwrap_or_else(|_| T::unknown()) }))
    }
}

impl<T> Completion<T> {
    /// Passes the outcome on, from a thread that may have other work.
    pub fn complete(self, outcome: T) {
        self.complete_on(outcome, ThreadLoad::Busy);
    }

    /// Passes the outcome on. `load` is the load of the calling thread.
    pub fn complete_on(mut self, outcome: T, load: ThreadLoad) {
        let f = self.0.take().expect("a completion is completed once");
        f(Some(outcome), load);
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f(None, ThreadLoad::Busy);
        }
    }
}

impl<T> std::fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Completion")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::contracts::AppendError;
    use crate::ids::Offset;

    type Outcome = Result<Offset, AppendError>;

    #[tokio::test]
    async fn a_dropped_completion_leaves_the_outcome_unknown() {
        let (done, outcome) = Completion::<Outcome>::channel();
        drop(done);
        assert!(matches!(outcome.await, Err(AppendError::Unknown(_))));
        let (done, outcome) = Completion::<Outcome>::channel();
        done.complete(Ok(Offset(7)));
        assert_eq!(outcome.await, Ok(Offset(7)));
    }

    #[test]
    fn the_callback_is_called_once_whether_the_completion_is_completed_or_dropped() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let completion = || {
            let heard = Arc::clone(&heard);
            Completion::on_thread(move |outcome: Outcome, load| heard.lock().push((outcome, load)))
        };
        completion().complete_on(Ok(Offset(1)), ThreadLoad::Idle);
        completion().complete(Ok(Offset(2)));
        drop(completion());
        let unknown = (Err(AppendError::unknown()), ThreadLoad::Busy);
        let expected = [(Ok(Offset(1)), ThreadLoad::Idle), (Ok(Offset(2)), ThreadLoad::Busy), unknown];
        assert_eq!(*heard.lock(), expected);
    }
}
