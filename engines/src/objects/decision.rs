//! [`Decision`]: what became of a transaction.

use super::aborted::Aborted;
use super::version::Version;

/// What became of a transaction.
#[must_use = "an aborted transaction did nothing, and what it read may not belong together"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It happened at this version. If the transaction only read, it saw the state of this version.
    Committed(Version),
    /// It did nothing.
    Aborted(Aborted),
}
