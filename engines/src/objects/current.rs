//! [`Current`]: the draft of an object for the newest state.

use std::ops::Deref;

use super::draft::Draft;

/// What the writes of a transaction so far do to the newest state of an object. It is the draft that the transaction
/// has, or a new one if the transaction has none or the object has changed since.
pub(super) enum Current<'a> {
    Known(&'a Draft),
    Made(Draft),
}

impl Current<'_> {
    /// The draft, if it was made anew.
    pub(super) fn into_made(self) -> Option<Draft> {
        match self {
            Current::Known(_) => None,
            Current::Made(draft) => Some(draft),
        }
    }
}

impl Deref for Current<'_> {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        match self {
            Current::Known(draft) => draft,
            Current::Made(draft) => draft,
        }
    }
}
