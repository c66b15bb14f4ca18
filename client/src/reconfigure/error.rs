//! [`ReconfigureError`]: why the chain could not be read or changed.

use naxos_proto::chain::LogletKind;
use naxos_proto::codec::DecodeError;
use naxos_proto::contracts::MetaError;
use naxos_proto::ids::ChainVersion;

use crate::loglet::LogletError;

/// Why the chain could not be read or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// The register did not answer.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// The register holds bytes that this build cannot read as a chain.
    #[error("the metadata store holds no chain that this build reads: {0}")]
    Chain(#[from] DecodeError),
    /// The register is empty, because the log was not founded yet.
    #[error("the metadata store holds no chain yet")]
    NoChain,
    /// A loglet did not answer.
    #[error(transparent)]
    Loglet(#[from] LogletError),
    /// The register belongs to another log.
    #[error("the metadata store belongs to log {found:016x}, this node to log {expected:016x}")]
    OtherLog {
        /// The log that the register belongs to.
        found: u64,
        /// The log in this node's configuration.
        expected: u64,
    },
    /// The register answered with a chain that is older than the one that this process knows. The register must never
    /// forget a newer version.
    #[error("the metadata store went back from version {known} of the chain to version {found}")]
    WentBack {
        /// The version that the register answered with.
        found: ChainVersion,
        /// The version that this process knows.
        known: ChainVersion,
    },
    /// This process has no provider for a kind of loglet.
    #[error("this node has no loglets of kind {0}")]
    Kind(LogletKind),
}
