//! [`Probe`]: looks into a running node, for tests that check rules which no client can see.

use std::sync::{Arc, Weak};

use naxos_proto::chain::Chain;
use naxos_proto::contracts::{LocalTail, StorageUnit};
use naxos_proto::ids::{ChainVersion, Incarnation, Lsn};

use crate::backend::Backend;

/// What a node holds at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The data directory of the node, and its boot.
    pub incarnation: Incarnation,
    /// The first position that is not applied.
    pub applied: Lsn,
    /// The checksum of all changes below `applied`.
    pub checksum: u64,
    /// The newest chain that the node knows.
    pub chain: (ChainVersion, Chain),
    /// The tail of the chain's active loglet on the node's own storage unit. `None` if the unit does not hold it.
    pub tail: Option<LocalTail>,
}

/// Looks into a node. It does not keep the node alive.
#[derive(Clone, Debug)]
pub struct Probe(Weak<Backend>);

impl Probe {
    pub(super) fn new(backend: &Arc<Backend>) -> Self {
        Self(Arc::downgrade(backend))
    }

    /// What the node holds now. `None` if it has ended.
    pub fn look(&self) -> Option<View> {
        let backend = self.0.upgrade()?;
        let chain = backend.log.chain();
        let tail = backend.unit.tail_now(chain.1.active().params.id).and_then(Result::ok);
        Some(View {
            incarnation: backend.incarnation,
            applied: backend.reader.applied(),
            checksum: backend.reader.checksum(),
            chain,
            tail,
        })
    }
}
