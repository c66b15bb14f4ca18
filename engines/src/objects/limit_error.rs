//! [`LimitError`]: a bound that a call does not keep.

use super::limits::{NAME_BYTES_MAX, OPERATIONS_MAX, TRANSACTION_BYTES_MAX};
use super::object_type::ObjectType;

/// A bound that a call does not keep. Nothing was proposed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A name, a key or a value is too large.
    #[error("the {what} has {found} bytes, expected at most {max}")]
    Bytes {
        /// What is too large.
        what: &'static str,
        /// Its bytes.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// An object's name is empty.
    #[error("the name of an object is empty, expected 1 to {NAME_BYTES_MAX} bytes")]
    NoName,
    /// A path is not written as expected.
    #[error("the path {path:?} {rule}")]
    Path {
        /// The path.
        path: String,
        /// The rule that it breaks. Together with the path it makes a sentence.
        rule: &'static str,
    },
    /// A transaction reads and writes too often.
    #[error("the transaction has {OPERATIONS_MAX} reads and writes already, and may not have more")]
    Operations,
    /// A transaction is too large for the log.
    #[error("the transaction would have {found} bytes, expected at most {TRANSACTION_BYTES_MAX}")]
    TransactionBytes {
        /// The bytes that it would have.
        found: usize,
    },
    /// The object was opened on another stack than the transaction.
    #[error("the {object_type} {name:?} was opened on another stack than the transaction: open it on the same stack")]
    OtherStack {
        /// The type of the object.
        object_type: ObjectType,
        /// The name of the object.
        name: String,
    },
}
