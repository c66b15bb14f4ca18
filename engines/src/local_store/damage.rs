//! Turns redb's panics on a damaged file into errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::local_store::store_error::StoreError;

/// The text after "expected" in the error for a damaged file whose pages were not verified.
pub(crate) const ROWS_WRITTEN: &str = "rows as they were written";

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread would only mean that a file is damaged. Such a panic is not a bug and is reported as
/// an error.
pub fn catches_panics() -> bool {
    CAUGHT.get()
}

/// Runs `look` and turns a panic into an error. redb trusts fields that no checksum covers or that were never checked,
/// and panics when they contradict the rest of the file.
pub(crate) fn caught<T>(expected: &'static str, look: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    CAUGHT.set(true);
    let looked = catch_unwind(AssertUnwindSafe(look));
    CAUGHT.set(false);
    looked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let found = format!("fields that contradict one another ({})", text.unwrap_or("no text"));
        Err(StoreError::Damaged { expected, found })
    })
}
