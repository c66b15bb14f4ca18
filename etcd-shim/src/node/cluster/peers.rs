//! [`Peers`]: which process has which role.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use naxos_client::failure::Node;
use naxos_log_server::meta::RemotePeers;
use naxos_proto::contracts::{
    Checksums, LeaseKeeper, Sequencer, SequencerDirectory, Snapshots, StorageUnit, UnitDirectory,
};
use naxos_proto::ids::{Incarnation, MemberId, StorageId};
use naxos_proto::peer::{Home, PeerLink, RemoteSequencer};
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::AddressBook;
use super::later_unit::LaterUnit;
use super::remote::Remote;
use crate::backend::LeaseKeepers;

/// The roles of this process, and how the other nodes are reached.
pub(in crate::node) struct Peers {
    home: Home,
    /// Where the members are.
    book: Arc<AddressBook>,
    unit: Arc<dyn StorageUnit>,
    sequencer: OnceLock<Arc<dyn Sequencer>>,
    /// All data directories that have or had a seat, except this node's own.
    remotes: Arc<RwLock<BTreeMap<StorageId, Remote>>>,
    /// The other nodes that have a seat now.
    nodes: watch::Sender<Vec<Node>>,
    replicas: Arc<RemotePeers>,
    /// The sequencers of other nodes that a loglet named, only the latest of each node.
    sequencers: RwLock<BTreeMap<StorageId, Arc<RemoteSequencer>>>,
    /// The runtime that carries the links.
    runtime: Handle,
}

impl Peers {
    /// Must be called on the runtime that is to carry the links. No node is known yet.
    pub(super) fn new(home: Home, unit: Arc<dyn StorageUnit>, book: Arc<AddressBook>) -> Self {
        let (sequencer, remotes, sequencers) = (OnceLock::new(), Arc::default(), RwLock::default());
        let (nodes, replicas) = (watch::Sender::new(Vec::new()), Arc::default());
        let runtime = Handle::current();
        Self { home, book, unit, sequencer, remotes, nodes, replicas, sequencers, runtime }
    }

    pub(in crate::node) fn set_sequencer(&self, sequencer: Arc<dyn Sequencer>) {
        assert!(self.sequencer.set(sequencer).is_ok(), "a process has one sequencer");
    }

    /// Makes links to the data directories that have the seats now. The directories in `lost` had a seat. Segments of
    /// the log may still name their units, so these units stay known, although they will never answer. `replicas` are
    /// the replicas that the MetaStore has now: it may need the answers of a replica until it has left that replica
    /// out. A second call with the same arguments changes nothing.
    pub(in crate::node) fn follow(
        &self,
        seats: &BTreeMap<MemberId, StorageId>,
        lost: impl IntoIterator<Item = (StorageId, MemberId)>,
        replicas: &BTreeSet<StorageId>,
    ) {
        let own = self.unit.storage_id();
        let mut remotes = self.remotes.write();
        let _carries = self.runtime.enter();
        let held = seats.iter().map(|(member, storage)| (*storage, *member));
        for (storage, member) in held.chain(lost).filter(|(storage, _)| *storage != own) {
            if remotes.contains_key(&storage) {
                continue;
            }
            // A data directory that lost its seat may have no address any more. Its link then goes to its member's new
            // data directory or to any other member, which refuses the calls.
            let other = self.book.get(member).or_else(|| self.book.others(member).into_iter().next());
            if let Some(other) = other {
                remotes.insert(storage, Remote::new(PeerLink::new(self.home.clone(), storage, other.address(), other)));
            }
        }
        for (storage, remote) in remotes.iter() {
            if seats.values().any(|held| held == storage) || replicas.contains(storage) {
                self.replicas.set(&remote.link);
            } else {
                self.replicas.remove(*storage);
            }
        }
        let node = |storage: &StorageId| {
            let heartbeat = Arc::clone(&remotes.get(storage)?.heartbeat) as _;
            Some(Node { storage: *storage, heartbeat })
        };
        let nodes: Vec<Node> = seats.values().filter_map(node).collect();
        self.nodes.send_if_modified(|old| {
            let is_new = !old.iter().map(|node| node.storage).eq(nodes.iter().map(|node| node.storage));
            if is_new {
                *old = nodes;
            }
            is_new
        });
    }

    /// Where the members are.
    pub(in crate::node) fn book(&self) -> &AddressBook {
        &self.book
    }

    /// The replicas of the MetaStore on the other nodes.
    pub(in crate::node) fn replicas(&self) -> Arc<RemotePeers> {
        Arc::clone(&self.replicas)
    }

    /// The snapshots that the other nodes offer.
    pub(in crate::node) fn snapshots(&self) -> Vec<(StorageId, Arc<dyn Snapshots>)> {
        let (remotes, nodes) = (self.remotes.read(), self.nodes.borrow());
        let offers = |node: &Node| Some((node.storage, Arc::clone(&remotes.get(&node.storage)?.snapshots) as _));
        nodes.iter().filter_map(offers).collect()
    }

    /// The other nodes, as stubs by which this replica of the state is compared with theirs.
    pub(in crate::node) fn checksums(&self) -> Vec<(StorageId, Arc<dyn Checksums>)> {
        let (remotes, nodes) = (self.remotes.read(), self.nodes.borrow());
        let told = |node: &Node| Some((node.storage, Arc::clone(&remotes.get(&node.storage)?.checksums) as _));
        nodes.iter().filter_map(told).collect()
    }

    /// The other nodes that have a seat now, for the failure detector.
    pub(in crate::node) fn nodes(&self) -> watch::Receiver<Vec<Node>> {
        self.nodes.subscribe()
    }
}

impl UnitDirectory for Peers {
    fn unit(&self, storage: StorageId) -> Option<Arc<dyn StorageUnit>> {
        if self.unit.storage_id() == storage {
            return Some(Arc::clone(&self.unit));
        }
        let known = self.remotes.read().get(&storage).map(Remote::unit);
        Some(known.unwrap_or_else(|| Arc::new(LaterUnit { storage, remotes: Arc::clone(&self.remotes) })))
    }
}

impl SequencerDirectory for Peers {
    fn sequencer(&self, incarnation: Incarnation) -> Option<Arc<dyn Sequencer>> {
        if let Some(own) = self.sequencer.get().filter(|s| s.incarnation().storage == incarnation.storage) {
            // A loglet of an earlier process on this data directory has no sequencer any more.
            return Some(own).filter(|s| s.incarnation() == incarnation).cloned();
        }
        let link = Arc::clone(&self.remotes.read().get(&incarnation.storage)?.link);
        let mut sequencers = self.sequencers.write();
        match sequencers.get(&incarnation.storage).map(|known| (known, known.incarnation().boot)) {
            Some((known, boot)) if boot == incarnation.boot => Some(Arc::clone(known) as _),
            Some((_, boot)) if boot > incarnation.boot => None,
            _ => {
                let _carries = self.runtime.enter();
                let made = Arc::new(RemoteSequencer::new(&link, incarnation.boot));
                sequencers.insert(incarnation.storage, Arc::clone(&made));
                Some(made)
            }
        }
    }
}

impl LeaseKeepers for Peers {
    fn keeper(&self, storage: StorageId) -> Option<Arc<dyn LeaseKeeper>> {
        self.remotes.read().get(&storage).map(|remote| Arc::clone(&remote.keeper) as _)
    }
}
