//! [`ServerHealth`]: what the HTTP routes ask a node.

use std::fmt;

use futures::future::BoxFuture;

/// Why a member raised an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// The quota is used up.
    NoSpace,
    /// Members differ in their data.
    Corrupt,
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AlarmKind::NoSpace => "NOSPACE",
            AlarmKind::Corrupt => "CORRUPT",
        })
    }
}

/// The health of a node. The caller sets deadlines.
pub trait ServerHealth: Send + Sync + 'static {
    /// Checks that this node can read what it has now. The error says why it cannot.
    /// # Cancel safety
    /// Dropping the future ends the check.
    fn serializable_read(&self) -> BoxFuture<'_, Result<(), String>>;
    /// Checks that the log answers and that the disk of this node takes writes. A node with a local store also waits
    /// until it has applied everything that was acknowledged before the call. The error says what does not work.
    /// # Cancel safety
    /// Dropping the future ends the check.
    fn linearizable_read(&self) -> BoxFuture<'_, Result<(), String>>;
    /// The alarms that are on, each with the id of the member that raised it.
    fn alarms(&self) -> Vec<(u64, AlarmKind)>;
    /// Whether there is a leader.
    fn has_leader(&self) -> bool;
    /// Whether this member is a learner.
    fn is_learner(&self) -> bool;
    /// The version that the cluster has agreed on, such as `3.6.0`. `None` if there is none yet.
    fn cluster_version(&self) -> Option<String>;
    /// The version of the stored data, such as `3.6.0`. `None` if it is unknown.
    fn storage_version(&self) -> Option<String>;
}
