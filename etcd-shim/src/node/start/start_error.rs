//! [`StartError`]: why a node does not start.

use naxos_client::ReconfigureError;
use naxos_client::failure::Disowned;
use naxos_engines::base::UnknownEngine;
use naxos_engines::local_store::StoreError;
use naxos_engines::snapshots::FetchError;
use naxos_engines::stack::StackError;
use naxos_log_server::OpenError;
use naxos_proto::codec::DecodeError;
use naxos_proto::release::NewerCluster;

use crate::node::cluster::DiscoveryError;
use crate::node::recover::RecoverError;
use crate::port::PortError;
use crate::tls::TlsError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ports cannot be opened.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The data directory cannot be opened.
    #[error(transparent)]
    LogServer(#[from] OpenError),
    /// The chain cannot be read or changed.
    #[error("the log cannot be opened: {0}")]
    Log(#[from] ReconfigureError),
    /// The local store cannot be opened.
    #[error("the local store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The replicated objects in the local store cannot be read.
    #[error("the replicated objects in the local store cannot be read: {0}")]
    Objects(DecodeError),
    /// A snapshot cannot be stored or installed.
    #[error("the snapshot of another member cannot be used: {0}")]
    Snapshot(#[from] FetchError),
    /// The stack cannot be started.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The flags describe no cluster that can be created or entered, or do not fit the data directory. The text says
    /// why.
    #[error("{0}")]
    Begin(String),
    /// The DNS does not tell the members of the cluster.
    #[error("error setting up initial cluster: {0}")]
    Discovery(#[from] DiscoveryError),
    /// The file `members` cannot be read.
    #[error(
        "the file \"members\" in the data directory: {0}; remove it if --initial-cluster lists the members as they are now"
    )]
    Members(std::io::Error),
    /// The cluster has a version that this build does not understand.
    #[error(transparent)]
    Newer(#[from] NewerCluster),
    /// An engine is on that this build does not have.
    #[error("the local store cannot be opened: {0}")]
    Engine(#[from] UnknownEngine),
    /// A port for other members cannot be opened. The fields are the URL and the reason.
    #[error("cannot listen for other members on {0}: {1}")]
    PeerPort(String, String),
    /// A recovery into the data directory cannot be finished, or `--force-new-cluster` cannot be carried out.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// This data directory has no seat in a cluster: the members did not agree to found a cluster with it, or they
    /// refuse it the seat of its member. The text says why.
    #[error("{0}")]
    Founding(String),
    /// The file `starts` or the file `old-copy` cannot be read.
    #[error(
        "the file \"starts\" or \"old-copy\" in the data directory cannot be read: {0}. Start the member with an empty data \
         directory"
    )]
    Starts(std::io::Error),
    /// The other members refused the data directory at an earlier start. The text says why.
    #[error("{0}")]
    OldCopy(String),
    /// The data directory is an old copy.
    #[error(transparent)]
    Disowned(#[from] Disowned),
    /// The command that announces the node, or the one that makes it keeper of leases, was not done.
    #[error("the node cannot announce itself: {0}")]
    Announce(String),
    /// The program's own state machine cannot go on, or is missing. The text says why.
    #[error("{0}")]
    Own(String),
    /// The start was told to stop.
    #[error("the node was stopped before it served")]
    Stopped,
    /// A thread failed or panicked, or could not be started.
    #[error("a thread of the node has ended or could not be started; the log says why")]
    Lost,
}
