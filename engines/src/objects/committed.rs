//! [`Committed`]: an update that was done.

use super::version::Version;

/// An update that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// The version that the update has.
    pub version: Version,
    /// What the update outputs.
    pub output: T,
}
