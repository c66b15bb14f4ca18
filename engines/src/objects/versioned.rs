//! [`Versioned`]: a value of a map.

use bytes::Bytes;

use super::rows::field::Field;
use super::version::Version;

/// A value of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The value.
    pub value: Bytes,
    /// The version of the key's last write. [`Version::ZERO`] if the transaction that reads it has written it itself.
    pub version: Version,
}

impl From<Field> for Versioned {
    fn from(field: Field) -> Self {
        Self { value: field.value, version: field.version }
    }
}
