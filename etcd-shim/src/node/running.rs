//! [`Running`]: a whole node, or a part of one.

use naxos_log_server::LogServerConfig;
use naxos_proto::seams::Seams;
use tokio_util::sync::CancellationToken;

use super::probe::Probe;
use super::{Node, Part, StartError};
use crate::config::ServerConfig;

/// What a process runs.
pub enum Running {
    /// A node that serves clients.
    Node(Box<Node>),
    /// A log server or a sequencer.
    Part(Box<Part>),
}

impl Running {
    /// Starts what `config.role` names. Arguments as for [`Node::start_with`].
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start(
        config: ServerConfig,
        seams: Seams,
        runtimes: usize,
        unit: LogServerConfig,
    ) -> Result<Self, StartError> {
        if config.role.has_state() {
            let node = Node::start_with(&CancellationToken::new(), config, seams, runtimes, unit, None).await?;
            Ok(Self::Node(Box::new(node)))
        } else {
            Ok(Self::Part(Box::new(Part::start(config, seams, unit).await?)))
        }
    }

    /// See [`Node::probe`].
    pub fn probe(&self) -> Probe {
        match self {
            Self::Node(node) => node.probe(),
            Self::Part(part) => part.probe(),
        }
    }

    /// See [`Node::ended`].
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) -> String {
        match self {
            Self::Node(node) => node.ended().await,
            Self::Part(part) => part.ended().await,
        }
    }

    /// See [`Node::fell_behind`].
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn fell_behind(&self) {
        match self {
            Self::Node(node) => node.fell_behind().await,
            // It replays nothing.
            Self::Part(_) => std::future::pending().await,
        }
    }

    /// See [`Node::removed`].
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn removed(&self) {
        match self {
            Self::Node(node) => node.removed().await,
            Self::Part(part) => part.removed().await,
        }
    }

    /// See [`Node::stop`].
    /// # Cancel safety
    /// Not cancel safe, as [`Node::stop`].
    pub async fn stop(self) {
        match self {
            Self::Node(node) => drop(node.stop().await),
            Self::Part(part) => part.stop().await,
        }
    }
}
