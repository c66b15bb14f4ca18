//! [`StartError`]: why a node does not start.

use naxos_client::ReconfigureError;
use naxos_engines::local_store::StoreError;
use naxos_engines::stack::StackError;
use naxos_log_server::OpenError;

use crate::port::PortError;
use crate::tls::TlsError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ports do not open.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The certificates are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The data directory does not open.
    #[error(transparent)]
    LogServer(#[from] OpenError),
    /// The chain cannot be read or changed.
    #[error("the log cannot be opened: {0}")]
    Log(#[from] ReconfigureError),
    /// The local store does not open.
    #[error("the local store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The stack does not start.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The flags describe no cluster that can be begun.
    #[error("{0}")]
    Begin(String),
    /// Joining is not there yet.
    #[error(
        "--initial-cluster-state=existing: joining a cluster is not built yet, expected new for a data directory that \
         holds nothing"
    )]
    Join,
    /// A first command was not done.
    #[error("the node cannot announce itself: {0}")]
    Announce(String),
    /// A thread panicked, or could not begin.
    #[error("a thread of the node has ended; the log says why")]
    Lost,
}
