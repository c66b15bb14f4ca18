//! [`Peers`]: which process has which role.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use naxos_client::failure::Node;
use naxos_proto::contracts::{LeaseKeeper, Sequencer, SequencerDirectory, Snapshots, StorageUnit, UnitDirectory};
use naxos_proto::ids::{Incarnation, StorageId};
use naxos_proto::peer::{PeerLink, RemoteHeartbeat, RemoteLeaseKeeper, RemoteSequencer, RemoteSnapshots, RemoteUnit};
use parking_lot::RwLock;
use tokio::runtime::Handle;

use crate::backend::LeaseKeepers;

/// Another node.
struct Remote {
    link: Arc<PeerLink>,
    unit: Arc<RemoteUnit>,
    keeper: Arc<RemoteLeaseKeeper>,
    heartbeat: Arc<RemoteHeartbeat>,
    snapshots: Arc<RemoteSnapshots>,
}

/// The roles of this process, and how the other nodes are reached.
pub(in crate::node) struct Peers {
    unit: Arc<dyn StorageUnit>,
    sequencer: OnceLock<Arc<dyn Sequencer>>,
    remotes: BTreeMap<StorageId, Remote>,
    /// The sequencers of other nodes that a loglet named, only the latest of each node.
    sequencers: RwLock<BTreeMap<StorageId, Arc<RemoteSequencer>>>,
    /// The runtime that carries the links.
    runtime: Handle,
}

impl Peers {
    /// Must be called on the runtime that carries the links.
    pub(super) fn new(unit: Arc<dyn StorageUnit>, links: Vec<Arc<PeerLink>>) -> Self {
        let remote = |link: Arc<PeerLink>| {
            let unit = Arc::new(RemoteUnit::new(&link));
            let keeper = Arc::new(RemoteLeaseKeeper::new(&link));
            let heartbeat = Arc::new(RemoteHeartbeat::new(&link));
            let snapshots = Arc::new(RemoteSnapshots::new(&link));
            (link.peer(), Remote { link, unit, keeper, heartbeat, snapshots })
        };
        let remotes = links.into_iter().map(remote).collect();
        let (sequencer, sequencers) = (OnceLock::new(), RwLock::default());
        Self { unit, sequencer, remotes, sequencers, runtime: Handle::current() }
    }

    pub(in crate::node) fn set_sequencer(&self, sequencer: Arc<dyn Sequencer>) {
        assert!(self.sequencer.set(sequencer).is_ok(), "a process has one sequencer");
    }

    /// The links to the other nodes.
    pub(in crate::node) fn links(&self) -> impl Iterator<Item = &Arc<PeerLink>> {
        self.remotes.values().map(|remote| &remote.link)
    }

    /// The snapshots that the other nodes offer.
    pub(in crate::node) fn snapshots(&self) -> impl Iterator<Item = (StorageId, Arc<dyn Snapshots>)> {
        self.remotes.iter().map(|(storage, remote)| (*storage, Arc::clone(&remote.snapshots) as _))
    }

    /// The other nodes, as the failure detector sees them.
    pub(in crate::node) fn nodes(&self) -> Vec<Node> {
        let node = |(storage, remote): (&StorageId, &Remote)| Node {
            storage: *storage,
            heartbeat: Arc::clone(&remote.heartbeat) as _,
        };
        self.remotes.iter().map(node).collect()
    }
}

impl UnitDirectory for Peers {
    fn unit(&self, storage: StorageId) -> Option<Arc<dyn StorageUnit>> {
        if self.unit.storage_id() == storage {
            return Some(Arc::clone(&self.unit));
        }
        self.remotes.get(&storage).map(|remote| Arc::clone(&remote.unit) as _)
    }
}

impl SequencerDirectory for Peers {
    fn sequencer(&self, incarnation: Incarnation) -> Option<Arc<dyn Sequencer>> {
        if let Some(own) = self.sequencer.get().filter(|s| s.incarnation().storage == incarnation.storage) {
            // A loglet of an earlier boot of this process has no sequencer any more.
            return Some(own).filter(|s| s.incarnation() == incarnation).cloned();
        }
        let remote = self.remotes.get(&incarnation.storage)?;
        let mut sequencers = self.sequencers.write();
        match sequencers.get(&incarnation.storage).map(|known| (known, known.incarnation().boot)) {
            Some((known, boot)) if boot == incarnation.boot => Some(Arc::clone(known) as _),
            Some((_, boot)) if boot > incarnation.boot => None,
            _ => {
                let _carries = self.runtime.enter();
                let made = Arc::new(RemoteSequencer::new(&remote.link, incarnation.boot));
                sequencers.insert(incarnation.storage, Arc::clone(&made));
                Some(made)
            }
        }
    }
}

impl LeaseKeepers for Peers {
    fn keeper(&self, storage: StorageId) -> Option<Arc<dyn LeaseKeeper>> {
        self.remotes.get(&storage).map(|remote| Arc::clone(&remote.keeper) as _)
    }
}
