//! [`NodeListener`]: tells the watches, the lease keeper and the janitor what was applied.

use std::sync::Arc;

use super::lease_keeper::LeaseKeeper;
use crate::state::Listener;
use crate::state::kv::janitor::Janitor;
use crate::state::{Effects, Keeper};
use crate::watch::Ring;

/// See the module.
pub(crate) struct NodeListener {
    pub(crate) rings: Vec<Arc<Ring>>,
    pub(crate) keeper: Arc<LeaseKeeper>,
    pub(crate) janitor: Arc<Janitor>,
}

impl Listener for NodeListener {
    fn effects(&mut self, effects: Arc<Vec<Effects>>) {
        self.rings.iter().for_each(|r| r.put(&effects));
    }

    fn lease_granted(&mut self, id: i64, ttl: i64) {
        self.keeper.granted(id, ttl);
    }

    fn lease_ended(&mut self, id: i64) {
        self.keeper.ended(id);
    }

    fn keeper(&mut self, keeper: Keeper) {
        self.keeper.took_office(keeper);
    }

    fn compacted(&mut self, _: i64) {
        self.janitor.wake.notify_one();
    }
}
