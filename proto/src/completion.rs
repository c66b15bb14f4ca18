//! The end of a hot-path call, as a callback.
//!
//! `store`, `append` and `propose` take a [`Completion`] instead of returning a future: the thread that learns the
//! outcome runs the next step at once, so that a batch costs no wake-up of a task that would only pass it on
//! (`docs/adr/0001`). Invariant: a completion is called once or dropped; dropped means that the outcome is unknown.

use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// Called with the outcome, on whatever thread learns it: the callee must be short and must not block.
pub struct Completion<T>(Box<dyn FnOnce(T) + Send>);

impl<T: Send + 'static> Completion<T> {
    /// Wraps `f`.
    pub fn new(f: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Box::new(f))
    }

    /// Hands over the outcome.
    pub fn complete(self, outcome: T) {
        (self.0)(outcome);
    }

    /// A completion and the future that it resolves. `None`: dropped, the outcome is unknown.
    pub fn channel() -> (Self, BoxFuture<'static, Option<T>>) {
        let (tx, rx) = oneshot::channel();
        // A receiver that left does not care for the outcome.
        let completion = Self::new(move |outcome| drop(tx.send(outcome)));
        (completion, Box::pin(async move { rx.await.ok() }))
    }
}

impl<T> std::fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Completion")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_completion_leaves_the_outcome_unknown() {
        let (done, outcome) = Completion::<u8>::channel();
        drop(done);
        assert_eq!(outcome.await, None);
        let (done, outcome) = Completion::channel();
        done.complete(7);
        assert_eq!(outcome.await, Some(7));
    }
}
