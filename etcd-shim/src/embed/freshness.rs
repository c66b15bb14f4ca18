//! [`Freshness`]: how fresh a query of a program's own state machine is.

use naxos_proto::ids::Lsn;

/// How fresh a query of a program's own state machine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Shows every command that was acknowledged anywhere before the call. Asks a majority of the storage units.
    #[default]
    Linearizable,
    /// Shows the command at this position, and all before it (read your writes). The position comes from
    /// [`Applied::position`](crate::Applied::position) of this node or of another one. Asks no other node, but waits
    /// until this node has applied the command.
    After(Lsn),
    /// Shows what this node has applied. That includes every command that was proposed through this node and acknowledged.
    Local,
}
