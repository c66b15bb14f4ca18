//! [`TransactionError`]: why a read or a write within a transaction failed.

use super::limit_error::LimitError;
use super::read_error::ReadError;
use super::refused::Refused;

/// Why a read or a write within a transaction failed. A write that failed is not part of the transaction. The
/// transaction may go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// A bound is not kept.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The objects could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The write is impossible in the state that the transaction sees, or an earlier write of the transaction has
    /// become impossible. Learning this counts as a read.
    #[error(transparent)]
    Refused(#[from] Refused),
}
