//! [`Watched`]: a value under a lock whose changes can be waited for.

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// A value under a lock, and the tasks that wait for it to change. Several tasks may wait for different things: each
/// change wakes all of them, so none takes a wake-up that was meant for another.
#[derive(Default)]
pub(super) struct Watched<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Watched<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// The value. A change that somebody may wait for is made by [`Self::change`] instead.
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock()
    }

    /// Changes the value and wakes all that wait.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.value.lock());
        self.changed.notify_waiters();
        result
    }

    /// Waits until `look` finds something. It looks again after each change.
    pub(super) async fn until<R>(&self, look: impl Fn(&mut T) -> Option<R>) -> R {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // A change after the look wakes this task, because the wait is registered before the look.
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.value.lock()) {
                return found;
            }
            changed.await;
        }
    }
}
