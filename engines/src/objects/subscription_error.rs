//! [`SubscriptionError`]: why a subscription ended.

use naxos_proto::codec::DecodeError;

use super::version::Version;

/// Why a subscription ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// Changes that were not read yet are forgotten. Read the object at a version that is kept, and subscribe after
    /// that version.
    #[error("changes after version {after} are forgotten, history is kept from version {oldest} on")]
    FellBehind {
        /// The changes up to this version were read.
        after: Version,
        /// The oldest version at which objects can be read.
        oldest: Version,
    },
    /// This replica must not show its objects.
    #[error("this replica does not serve its objects: {0}")]
    NotServed(String),
    /// The objects are not served any more.
    #[error("the objects are not served any more")]
    Stopped,
    /// A row of the local store cannot be read.
    #[error("the local store cannot be read: {0}")]
    Damaged(#[from] DecodeError),
}
