//! [`ChainRegister`]: the chain in the MetaStore.

use std::sync::Arc;

use naxos_proto::chain::Chain;
use naxos_proto::contracts::{MetaError, MetaStore, PutOutcome, Versioned};
use naxos_proto::ids::{ChainVersion, LogId};

use crate::reconfigure::ReconfigureError;

/// A chain and its version in the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionedChain {
    pub(crate) version: ChainVersion,
    pub(crate) chain: Chain,
}

/// The result of an install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    /// The register holds the chain that was installed.
    Ours(VersionedChain),
    /// The register does not hold the chain that was to be installed: another process changed the register first, or the
    /// put was lost. The field is the chain that the register holds now. Its last segment may still be the last segment
    /// of the chain that was to be replaced.
    Theirs(VersionedChain),
}

/// The register, and the log whose chain it must hold.
#[derive(Clone)]
pub(crate) struct ChainRegister {
    meta: Arc<dyn MetaStore>,
    log: LogId,
}

impl ChainRegister {
    pub(crate) fn new(meta: Arc<dyn MetaStore>, log: LogId) -> Self {
        Self { meta, log }
    }

    fn decode(&self, value: Versioned) -> Result<Option<VersionedChain>, ReconfigureError> {
        if value.version == ChainVersion(0) {
            return Ok(None);
        }
        let chain = Chain::decode(value.bytes)?;
        if chain.log != self.log {
            return Err(ReconfigureError::OtherLog { found: chain.log.0, expected: self.log.0 });
        }
        Ok(Some(VersionedChain { version: value.version, chain }))
    }

    /// Reads the chain, through a quorum. `None` if there was never one.
    pub(crate) async fn find(&self) -> Result<Option<VersionedChain>, ReconfigureError> {
        self.decode(self.meta.get().await?)
    }

    /// As [`Self::find`]; an empty register is an error.
    pub(crate) async fn get(&self) -> Result<VersionedChain, ReconfigureError> {
        self.find().await?.ok_or(ReconfigureError::NoChain)
    }

    /// Writes `chain` if the register still has version `expected`. If the register cannot say whether it took the
    /// chain, reads it again to find out.
    pub(crate) async fn install(&self, expected: ChainVersion, chain: Chain) -> Result<Installed, ReconfigureError> {
        chain.check()?;
        let now = match self.meta.put(expected, chain.encode()).await {
            Ok(PutOutcome::Ok(version)) => return Ok(Installed::Ours(VersionedChain { version, chain })),
            Ok(PutOutcome::Conflict(now)) => self.decode(now)?.ok_or(ReconfigureError::NoChain)?,
            Err(MetaError::Unknown(why)) => {
                tracing::warn!(why, "the metadata store does not know whether it took a chain; reading it");
                self.get().await?
            }
            Err(refused) => return Err(refused.into()),
        };
        // A reconfiguration draws a new loglet id, so an equal chain can only be the one of this edit. Another process
        // may have made the same trim, but then it does not matter which of the two was installed.
        Ok(if now.chain == chain { Installed::Ours(now) } else { Installed::Theirs(now) })
    }
}
