//! [`Roster`]: the members of the cluster and their data directories.

use std::collections::BTreeMap;
use std::sync::Arc;

use naxos_proto::contracts::{Beat, LeaseKeeper};
use naxos_proto::ids::{LogId, MemberId, StorageId};
use tokio::sync::watch;

/// The most replicas of the MetaStore that vote. Each vote costs messages, and more than two nodes are rarely lost at once.
pub(crate) const META_VOTERS_MAX: usize = 5;

/// Finds the keeper of leases on another node.
pub(crate) trait LeaseKeepers: Send + Sync {
    /// The keeper on the node with that data directory. `None` if no other node of the cluster has it.
    fn keeper(&self, storage: StorageId) -> Option<Arc<dyn LeaseKeeper>>;
}

/// See the module.
pub(crate) struct Roster {
    /// etcd's cluster id.
    pub(crate) cluster: u64,
    /// The data directory of each member, this one included.
    pub(crate) seats: watch::Receiver<BTreeMap<MemberId, StorageId>>,
    pub(crate) keepers: Arc<dyn LeaseKeepers>,
    /// The nodes that belong to another log, according to their last answers.
    pub(crate) strangers: watch::Receiver<BTreeMap<StorageId, LogId>>,
    /// What the node with that data directory told about itself when it was heard last.
    pub(crate) heard: Box<dyn Fn(StorageId) -> Option<Beat> + Send + Sync>,
}

impl Roster {
    /// The member whose data directory is `storage`.
    pub(crate) fn member(&self, storage: StorageId) -> Option<MemberId> {
        self.seats.borrow().iter().find(|(_, seated)| **seated == storage).map(|(member, _)| *member)
    }
}
