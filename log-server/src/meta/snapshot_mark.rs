//! [`SnapshotMark`]: how much of the log a durable snapshot covers.

use crate::meta::types::LogId;

/// How much of the log the register's last durable snapshot covers. openraft gives a snapshot to the register and purges
/// the log below it at the same time. The log must not carry out the purge before the snapshot is durable: a crash in
/// between would leave neither the entries nor what they led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SnapshotMark {
    /// The last entry that the snapshot covers. `None` before the first snapshot.
    pub(crate) last: Option<LogId>,
    /// A snapshot could not be written. openraft ends after that, and no later snapshot comes.
    pub(crate) failed: bool,
}
