//! [`Failure`]: why a write was not done.

use super::refused::Refused;
use super::unreadable::Unreadable;

/// Why a write was not done: it is refused, or the rows that it meets cannot be read.
#[derive(Debug)]
pub(super) enum Failure {
    Refused(Refused),
    Unreadable(Unreadable),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Failure::Refused(refused)
    }
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        Failure::Unreadable(unreadable)
    }
}
