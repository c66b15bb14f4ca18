//! [`OwnBeat`]: what this node tells the others about itself.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use naxos_client::VirtualLog;
use naxos_client::failure::{Admission, NodeState, StartMemory};
use naxos_engines::StoreReader;
use naxos_log_server::Unit;
use naxos_proto::contracts::{Beat, Heartbeat, HeartbeatError, StorageUnit};
use naxos_proto::ids::{Incarnation, Lsn, StorageId};
use naxos_proto::peer::{ChainNews, SyncedNews};
use naxos_proto::release::ClusterVersion;
use tokio::sync::watch;

/// Longer than any disk may take.
const NEVER: Duration = Duration::from_secs(86_400);

/// Answers the heartbeats of the other nodes. The parts that a start makes later are set when they exist.
pub(in crate::node) struct OwnBeat {
    own: Incarnation,
    unit: Arc<Unit>,
    news: Arc<ChainNews>,
    synced: Arc<SyncedNews>,
    log: OnceLock<Arc<VirtualLog>>,
    reader: OnceLock<StoreReader>,
    admission: Arc<Admission>,
    memory: Arc<dyn StartMemory>,
    nodes: OnceLock<NodeStates>,
}

type NodeStates = watch::Receiver<BTreeMap<StorageId, NodeState>>;

impl OwnBeat {
    pub(in crate::node) fn new(
        own: Incarnation,
        unit: Arc<Unit>,
        news: Arc<ChainNews>,
        synced: Arc<SyncedNews>,
        admission: Arc<Admission>,
        memory: Arc<dyn StartMemory>,
    ) -> Self {
        let (log, reader, nodes) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { own, unit, news, synced, log, reader, admission, memory, nodes }
    }

    pub(in crate::node) fn set_log(&self, log: Arc<VirtualLog>) {
        assert!(self.log.set(log).is_ok(), "a node has one log");
    }

    pub(in crate::node) fn set_reader(&self, reader: StoreReader) {
        assert!(self.reader.set(reader).is_ok(), "a node has one local store");
    }

    pub(in crate::node) fn set_nodes(&self, nodes: NodeStates) {
        assert!(self.nodes.set(nodes).is_ok(), "a node hears the others in one place");
    }

    /// The other nodes that this one hears.
    fn hears(&self) -> Vec<StorageId> {
        let Some(nodes) = self.nodes.get() else { return Vec::new() };
        let nodes = nodes.borrow();
        let heard = nodes.iter().filter(|(node, state)| **node != self.own.storage && state.alive().is_some());
        heard.map(|(node, _)| *node).collect()
    }

    /// What this node tells all others now.
    pub(in crate::node) fn now(&self) -> Beat {
        let chain = self.log.get().map(|log| log.chain());
        if let Some((version, _)) = &chain {
            self.news.set_known(*version);
        }
        let active = chain.as_ref().map(|(_, chain)| chain.active().params.id);
        let known_tail = active.and_then(|id| Some((id, self.unit.tail_now(id)?.ok()?.known_tail)));
        Beat {
            from: self.own,
            nonce: self.admission.start().nonce,
            admitted: *self.admission.admitted().borrow(),
            noted: self.memory.noted(),
            synced: self.synced.heard(),
            hears: self.hears(),
            chain: self.news.known(),
            known_tail,
            applied: self.reader.get().map_or(Lsn::ZERO, StoreReader::applied),
            oldest_sync: self.sync_age(),
            quorum_heard: None,
            understood: ClusterVersion::NEWEST,
        }
    }
}

impl OwnBeat {
    /// How long the unit has been trying to make something durable. A unit that is read-only since a disk error will never
    /// succeed, so to the other nodes it is one whose disk hangs.
    fn sync_age(&self) -> Duration {
        if self.unit.poisoned().is_some() { NEVER } else { self.unit.oldest_sync_age().unwrap_or_default() }
    }
}

impl Heartbeat for OwnBeat {
    fn beat(&self, theirs: Beat) -> BoxFuture<'_, Result<Beat, HeartbeatError>> {
        // A cloned data directory can call from anywhere, so a caller is believed only if this node has reached it at
        // its member's address.
        if self.memory.is_latest(theirs.from.storage, theirs.start()) {
            self.admission.hear(&theirs, &*self.memory);
        }
        // A caller that gets an answer notes this start. So this node does not answer before its directory remembers
        // this start, or if the directory may be an old copy. For the latter, what any caller says is enough.
        let is_refused = self.admission.disowned().borrow().is_some() || self.admission.is_contradicted_by(&theirs);
        if is_refused || !self.memory.own_is_durable() {
            let refused = HeartbeatError::Silent("its start is not written down, or it is refused".to_owned());
            return Box::pin(std::future::ready(Err(refused)));
        }
        Box::pin(std::future::ready(Ok(self.now())))
    }
}
