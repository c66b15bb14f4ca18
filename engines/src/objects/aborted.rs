//! [`Aborted`]: why a transaction did nothing.

use std::fmt;

use bytes::Bytes;

use super::refused::Refused;
use super::rows::object::ObjectRow;
use super::seen::Seen;
use super::version::Version;

/// A transaction or an update that did nothing, on any replica.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("aborted because of {object:?}{}: {why}", .key.as_ref().map(|key| format!(", key {key:?}")).unwrap_or_default())]
pub struct Aborted {
    /// The name of the object.
    pub object: String,
    /// The key within it. `None` if it is about the whole object, or if the object's type has no keys.
    pub key: Option<Bytes>,
    /// Why.
    pub why: AbortReason,
}

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
                write!(f, "its reads are of version {at}, and history is kept from version {oldest} on")
            }
        }
    }
}

impl Aborted {
    /// A read that does not hold any more.
    pub(super) fn changed(row: Option<ObjectRow>, seen: &Seen, found: Version) -> Self {
        let key = row.as_ref().zip(seen.key.as_ref()).and_then(|(row, key)| row.object_type.shown_key(key));
        let object = row.map_or_else(|| seen.object.to_string(), |row| row.name);
        Self { object, key, why: AbortReason::Changed { seen: seen.version, found } }
    }
}
