//! Damage of the store's file that redb meets as a panic, turned into an error.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::local_store::database::StoreError;

/// What is expected of rows that nobody may have verified.
pub(crate) const ROWS_WRITTEN: &str = "rows as they were written";

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread only says that a file is damaged: it is no bug, and is reported as an error.
pub fn catches_panics() -> bool {
    CAUGHT.get()
}

/// redb trusts fields that no checksum covers or that nobody has checked, and panics when they contradict the rest.
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
