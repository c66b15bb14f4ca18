//! [`AbortReason`]: why a transaction was aborted.

use std::fmt;

use super::refused::Refused;
use super::version::Version;

/// Why a transaction was aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbortReason {
    /// What it read was changed before it was decided.
    Changed {
        /// The version that it read.
        seen: Version,
        /// The version that was there.
        found: Version,
    },
    /// One of its writes is impossible.
    Refused(Refused),
    /// It only reads, and the changes by which its reads could be checked are forgotten.
    Forgotten {
        /// The version at which it would have been checked.
        at: Version,
        /// The oldest version that is kept.
        oldest: Version,
    },
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AbortReason::Changed { seen, found } => write!(f, "read at version {seen}, found version {found}"),
            AbortReason::Refused(refused) => refused.fmt(f),
            AbortReason::Forgotten { at, oldest } => {
                write!(f, "its reads can be checked only at version {at}, history is kept from version {oldest} on")
            }
        }
    }
}
