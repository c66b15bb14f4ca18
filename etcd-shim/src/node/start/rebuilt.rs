//! [`Rebuilt`]: the store in memory, rebuilt from the local store's rows, and the parts that are told of its changes.

use std::sync::Arc;

use naxos_engines::{LocalStore, StoreReader};
use naxos_proto::ids::StorageId;

use super::context::Context;
use crate::backend::{LeaseKeeper, NodeListener};
use crate::state::kv::janitor::Janitor;
use crate::state::{Machine, SharedStore};
use crate::watch::Ring;

/// See the module.
pub(super) struct Rebuilt {
    pub(super) reader: StoreReader,
    pub(super) store: Arc<SharedStore>,
    pub(super) rings: Vec<Arc<Ring>>,
    pub(super) keeper: Arc<LeaseKeeper>,
    pub(super) janitor: Arc<Janitor>,
}

impl Rebuilt {
    pub(super) fn new(context: &Context, own: StorageId, local_store: &LocalStore, store: Arc<SharedStore>) -> Self {
        let clock = &context.seams.clock;
        let reader = local_store.reader();
        let revision = store.read().revision;
        let rings = (0..context.runtimes).map(|_| Ring::new(revision)).collect();
        let keeper = LeaseKeeper::new(Arc::clone(clock), own, store.read().keeper);
        for (id, lease) in &store.read().leases {
            keeper.granted(*id, lease.ttl);
        }
        let janitor = Janitor::new(Arc::clone(&store), reader.clone(), Arc::clone(clock));
        Self { reader, store, rings, keeper, janitor }
    }

    pub(super) fn machine(&self) -> Machine<NodeListener> {
        let (rings, keeper, janitor) = (self.rings.clone(), Arc::clone(&self.keeper), Arc::clone(&self.janitor));
        let listener = NodeListener { rings, keeper, janitor };
        Machine::new(Arc::clone(&self.store), self.reader.clone(), listener)
    }
}
