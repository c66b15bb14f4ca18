//! [`Rebuilt`]: the store in memory, rebuilt from the local store's rows, and the parts that are told of its changes.

use std::sync::Arc;

use naxos_engines::objects::{ChangeSignal, ObjectsApply};
use naxos_engines::{LocalStore, StoreReader};
use naxos_proto::codec::DecodeError;
use naxos_proto::ids::StorageId;

use super::context::Context;
use crate::backend::{LeaseKeeper, NodeListener};
use crate::state::apply::Guests;
use crate::state::kv::janitor::Janitor;
use crate::state::own::{CannotApply, OwnMachine};
use crate::state::{Machine, SharedStore};
use crate::watch::Ring;

/// See the module.
pub(super) struct Rebuilt {
    pub(super) reader: StoreReader,
    pub(super) store: Arc<SharedStore>,
    pub(super) rings: Vec<Arc<Ring>>,
    pub(super) keeper: Arc<LeaseKeeper>,
    pub(super) janitor: Arc<Janitor>,
    /// The program's own state machine, if it has one.
    pub(super) own: Option<Arc<OwnMachine>>,
    /// Tells when replicated objects have changed.
    pub(super) objects_changed: ChangeSignal,
    objects: Option<ObjectsApply>,
    failure: CannotApply,
}

impl Rebuilt {
    pub(super) fn new(
        context: &Context,
        own: StorageId,
        local_store: &LocalStore,
        store: Arc<SharedStore>,
    ) -> Result<Self, DecodeError> {
        let clock = &context.seams.clock;
        let reader = local_store.reader();
        let revision = store.read().revision;
        let rings = (0..context.runtimes).map(|_| Ring::new(revision)).collect();
        let keeper = LeaseKeeper::new(Arc::clone(clock), own, store.read().keeper);
        for (id, lease) in &store.read().leases {
            keeper.granted(*id, lease.ttl);
        }
        let janitor = Janitor::new(Arc::clone(&store), reader.clone(), Arc::clone(clock));
        let failure = context.stops.failure.clone();
        let applicator = context.applicator.clone();
        let own = applicator.map(|applicator| OwnMachine::new(applicator, reader.clone(), failure.clone()));
        let (objects, objects_changed) = ObjectsApply::open(&reader)?;
        Ok(Self { reader, store, rings, keeper, janitor, own, objects_changed, objects: Some(objects), failure })
    }

    /// The state machine. It can be taken once.
    pub(super) fn machine(&mut self) -> Machine<NodeListener> {
        let (rings, keeper, janitor) = (self.rings.clone(), Arc::clone(&self.keeper), Arc::clone(&self.janitor));
        let listener = NodeListener { rings, keeper, janitor };
        let objects = self.objects.take().expect("it is taken once");
        let guests = Guests::new(objects, self.own.clone(), self.failure.clone());
        Machine::new(Arc::clone(&self.store), self.reader.clone(), listener).beside(guests)
    }
}
