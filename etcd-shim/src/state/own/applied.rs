//! [`Applied`]: what a command of a program's own state machine gave.

use bytes::Bytes;
use naxos_proto::ids::Lsn;

/// What a command of a program's own state machine gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What `Applicator::apply` returned.
    pub answer: Bytes,
    /// The position in the log at which the command was applied. Commands that were proposed at the same time may have the
    /// same position. With `Freshness::After` a query on any node sees this command.
    pub position: Lsn,
}
