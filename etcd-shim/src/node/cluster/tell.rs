//! [`tell`]: sends only what is new.

use tokio::sync::watch;

/// Sends a value, if it is not the one that was sent last.
pub(super) fn tell<T: PartialEq>(to: &watch::Sender<T>, value: T) {
    to.send_if_modified(|old| {
        let is_new = *old != value;
        *old = value;
        is_new
    });
}
