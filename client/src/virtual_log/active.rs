//! [`Active`]: the chain as this process knows it, and the loglet that takes appends.

use std::sync::Arc;

use naxos_proto::chain::{Chain, Segment};
use naxos_proto::ids::{ChainVersion, Lsn};

use crate::loglet::Loglet;
use crate::shared_log::LogError;

/// The chain as this process knows it; see the module.
pub(super) struct Active {
    pub(super) version: ChainVersion,
    pub(super) chain: Chain,
    /// The loglet of the chain's last segment.
    pub(super) loglet: Arc<dyn Loglet>,
}

impl Active {
    /// The first position of the segment that takes appends.
    pub(super) fn start(&self) -> Lsn {
        self.chain.active().start
    }

    /// The segment that holds `lsn`.
    pub(super) fn segment_of(&self, lsn: Lsn) -> Result<&Segment, LogError> {
        self.chain.segment_of(lsn).ok_or(LogError::Trimmed(self.chain.start()))
    }
}
