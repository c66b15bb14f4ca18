//! [`Waiters`]: callers that wait, each together with the value that it waits for, for example a position of the log.
//!
//! A caller gives up if its client is gone or its deadline has passed. It drops its receiver, but its sender stays in
//! the list. Such senders are swept out when the list has doubled since the last sweep. So adding a caller costs O(1)
//! on average.
//!
//! Bound: after each sweep the list holds only callers that still wait. Until the next sweep it grows to twice that
//! many, or to [`SWEEP_MIN`].

use tokio::sync::oneshot;

/// A shorter list is not swept.
const SWEEP_MIN: usize = 64;

/// Callers that wait; see the module. `W` is what a caller waits for, and `T` is the answer.
pub(crate) struct Waiters<W, T> {
    list: Vec<(W, oneshot::Sender<T>)>,
    /// When the list has this length, the callers that gave up are dropped.
    sweep_at: usize,
}

impl<W, T> Default for Waiters<W, T> {
    fn default() -> Self {
        Self { list: Vec::new(), sweep_at: SWEEP_MIN }
    }
}

impl<W, T> Waiters<W, T> {
    /// Adds a caller. The receiver gets its answer.
    pub(crate) fn add(&mut self, wanted: W) -> oneshot::Receiver<T> {
        if self.list.len() >= self.sweep_at {
            self.list.retain(|(_, sender)| !sender.is_closed());
            self.sweep_at = (2 * self.list.len()).max(SWEEP_MIN);
        }
        let (sender, answer) = oneshot::channel();
        self.list.push((wanted, sender));
        answer
    }

    /// Takes out the callers for which `is_due` is true. Those that the iterator did not reach stay.
    pub(crate) fn take_due(&mut self, is_due: impl Fn(&W) -> bool) -> impl Iterator<Item = oneshot::Sender<T>> {
        self.list.extract_if(.., move |(wanted, _)| is_due(wanted)).map(|(_, sender)| sender)
    }

    /// Takes out all callers.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = oneshot::Sender<T>> + use<W, T> {
        std::mem::take(self).list.into_iter().map(|(_, sender)| sender)
    }

    /// Whether nobody is in the list.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many callers are in the list, with those that gave up.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_that_gave_up_do_not_pile_up_and_the_others_stay() {
        const STAY: u32 = 500;
        let mut waiters = Waiters::default();
        let mut staying = Vec::new();
        for n in 0..100 * STAY {
            let answer = waiters.add(n);
            if n % 100 == 0 {
                staying.push((n, answer));
            }
            let bound = SWEEP_MIN.max(2 * staying.len());
            assert!(waiters.len() <= bound, "{} in the list, {} still wait", waiters.len(), staying.len());
        }
        // Those that gave up last are still in the list, and do not take their answers.
        for waiter in waiters.take_due(|n| *n < 1_000) {
            let _ = waiter.send("early");
        }
        for waiter in waiters.take_all() {
            let _ = waiter.send("late");
        }
        assert!(waiters.is_empty());
        for (n, mut answer) in staying {
            assert_eq!(answer.try_recv(), Ok(if n < 1_000 { "early" } else { "late" }), "caller {n}");
        }
    }
}
