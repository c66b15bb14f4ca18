//! [`Probe`]: looks into a running node, for tests that check rules which no client can see.

use std::sync::{Arc, Weak};

use naxos_proto::chain::Chain;
use naxos_proto::contracts::{LocalTail, StartMark, StorageUnit};
use naxos_proto::ids::{ChainVersion, Incarnation, LogletId, Lsn, StorageId};

use crate::backend::Backend;

/// What a node holds at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The data directory of the node, and its boot.
    pub incarnation: Incarnation,
    /// The mark of the node's start.
    pub start: StartMark,
    /// What the node has noted of the starts of the others.
    pub starts: Vec<(StorageId, StartMark)>,
    /// The first position that is not applied.
    pub applied: Lsn,
    /// The checksum of all changes below `applied`.
    pub checksum: u64,
    /// The newest chain that the node knows.
    pub chain: (ChainVersion, Chain),
    /// The tail of the chain's active loglet on the node's own storage unit. `None` if the unit does not hold it.
    pub tail: Option<LocalTail>,
    /// The tails of the chain's sealed loglets that the node's own storage unit holds.
    pub sealed: Vec<(LogletId, LocalTail)>,
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
        let tail_of = |loglet| backend.unit.tail_now(loglet).and_then(Result::ok);
        let tail = tail_of(chain.1.active().params.id);
        let ended = chain.1.segments.iter().filter(|segment| segment.end.is_some()).map(|segment| segment.params.id);
        let sealed = ended.filter_map(|loglet| Some((loglet, tail_of(loglet)?))).collect();
        Some(View {
            incarnation: backend.incarnation,
            start: backend.start,
            starts: backend.starts.noted(),
            applied: backend.reader.applied(),
            checksum: backend.reader.checksum(),
            chain,
            tail,
            sealed,
        })
    }
}
