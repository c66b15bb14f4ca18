//! [`Current`]: the draft of an object for the newest state.

use std::ops::Deref;

use super::draft::Draft;

/// The draft of the writes so far for the newest state of an object: the draft that the transaction has, or one that
/// was made because it has none or because the object has changed.
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
