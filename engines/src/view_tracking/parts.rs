//! Makes the two halves of the engine.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use naxos_proto::ids::StorageId;
use naxos_proto::seams::Clock;

use super::lower::{HeldLog, ViewTracking};
use super::upper::ViewTrackingApply;
use super::view::View;
use crate::engine::{Below, Engine, EngineSwitch};
use crate::local_store::StoreReader;

/// Makes the two halves. The lower half is made later, when `below` exists.
pub struct ViewTrackingParts {
    storage: StorageId,
    switch: EngineSwitch,
    reader: StoreReader,
    view: Arc<View>,
}

impl ViewTrackingParts {
    /// The parts for the server `storage`, with the view read from its local store. For `servers_min` see
    /// [`HeldLog::servers_min`].
    pub fn new(storage: StorageId, switch: EngineSwitch, reader: &StoreReader, servers_min: Arc<AtomicUsize>) -> Self {
        Self { storage, switch, reader: reader.clone(), view: Arc::new(View::load(reader, servers_min)) }
    }

    /// The upper half, which passes entries on to `up`. `below` is still empty and is set when the whole stack is
    /// built.
    pub fn upper<A>(&self, up: A, below: Below) -> ViewTrackingApply<A> {
        let (own, switch, view) = (self.storage, self.switch.clone(), Arc::clone(&self.view));
        ViewTrackingApply { up, own, switch, view, below }
    }

    /// The lower half, which announces the persisted cursor of the server and passes proposals on to `below`.
    pub fn lower(self, below: Arc<dyn Engine>, clock: Arc<dyn Clock>, held: HeldLog) -> Arc<ViewTracking> {
        let Self { storage, switch, reader, view } = self;
        Arc::new(ViewTracking { below, storage, switch, reader, view, clock, held })
    }
}
