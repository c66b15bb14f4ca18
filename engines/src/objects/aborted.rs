//! [`Aborted`]: why a transaction did nothing.

use bytes::Bytes;

use super::abort_reason::AbortReason;
use super::rows::object::ObjectRow;
use super::seen::Seen;
use super::version::Version;

/// A transaction or an update that did nothing, on any replica.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("aborted because of {object:?}{}: {why}", shown(.key))]
pub struct Aborted {
    /// The name of the object.
    pub object: String,
    /// The key of the read that does not hold any more or could not be checked. `None` if the read depends on the whole
    /// object, if the object's type has no keys, or if a write was refused.
    pub key: Option<Bytes>,
    /// Why.
    pub why: AbortReason,
}

/// The key as a part of the error's sentence.
fn shown(key: &Option<Bytes>) -> String {
    key.as_ref().map(|key| format!(", key {key:?}")).unwrap_or_default()
}

impl Aborted {
    /// A read that does not hold any more.
    pub(super) fn changed(row: Option<ObjectRow>, seen: &Seen, found: Version) -> Self {
        let key = row.as_ref().zip(seen.key.as_ref()).and_then(|(row, key)| row.object_type.shown_key(key));
        let object = row.map_or_else(|| seen.object.to_string(), |row| row.name);
        Self { object, key, why: AbortReason::Changed { seen: seen.version, found } }
    }
}
