//! [`Change`]: a write that changed an object.

use super::version::Version;
use super::write::Write;

/// A write that changed an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version of the commit that it belongs to. Writes of one transaction have the same version.
    pub version: Version,
    /// The write.
    pub write: Write,
}
