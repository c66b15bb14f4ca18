//! The lower half: adds the header to proposals.

use std::sync::Arc;

use naxos_proto::ids::StorageId;

use super::INFO;
use super::header::encode;
use crate::engine::{Engine, EngineSwitch, Proposal};
use crate::local_store::StoreReader;

/// The lower half of the engine.
pub struct ViewTracking {
    below: Arc<dyn Engine>,
    storage: StorageId,
    switch: EngineSwitch,
    reader: StoreReader,
}

impl ViewTracking {
    /// The lower half. It announces the persisted cursor of `storage`, and passes proposals on to `below`.
    pub fn new(below: Arc<dyn Engine>, storage: StorageId, switch: EngineSwitch, reader: StoreReader) -> Arc<Self> {
        Arc::new(Self { below, storage, switch, reader })
    }
}

impl Engine for ViewTracking {
    fn below(&self) -> Option<&dyn Engine> {
        Some(&*self.below)
    }

    fn propose(&self, mut proposal: Proposal) {
        if self.switch.is_on() {
            proposal.entry.set_header(INFO.id, encode(self.storage, self.reader.persisted()));
        }
        self.below.propose(proposal);
    }
}
