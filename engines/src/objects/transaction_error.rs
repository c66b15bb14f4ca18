//! [`TransactionError`]: why a read or a write within a transaction failed.

use super::limit_error::LimitError;
use super::read_error::ReadError;
use super::refused::Refused;

/// Why a read or a write within a transaction failed. The transaction is as it was before the call, and may go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// A bound is not kept.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The objects could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The write is impossible in the state that the transaction sees, or an earlier one has become so. To see that is
    /// a read.
    #[error(transparent)]
    Refused(#[from] Refused),
}
