//! [`OwnBeat`]: what this node tells the others about itself.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use naxos_client::VirtualLog;
use naxos_engines::StoreReader;
use naxos_log_server::Unit;
use naxos_proto::contracts::{Beat, Heartbeat, HeartbeatError, StorageUnit};
use naxos_proto::ids::{Incarnation, Lsn, StorageId};
use naxos_proto::peer::ChainNews;
use parking_lot::Mutex;

/// Longer than any disk may take.
const NEVER: Duration = Duration::from_secs(86_400);

/// Answers the heartbeats of the other nodes. The parts that a start makes later are set when they exist.
pub(in crate::node) struct OwnBeat {
    own: Incarnation,
    unit: Arc<Unit>,
    news: Arc<ChainNews>,
    log: OnceLock<Arc<VirtualLog>>,
    reader: OnceLock<StoreReader>,
    /// The latest process on each data directory from which a heartbeat came.
    seen: Mutex<BTreeMap<StorageId, Incarnation>>,
}

impl OwnBeat {
    pub(in crate::node) fn new(own: Incarnation, unit: Arc<Unit>, news: Arc<ChainNews>) -> Self {
        let (log, reader) = (OnceLock::new(), OnceLock::new());
        Self { own, unit, news, log, reader, seen: Mutex::default() }
    }

    pub(in crate::node) fn set_log(&self, log: Arc<VirtualLog>) {
        assert!(self.log.set(log).is_ok(), "a node has one log");
    }

    pub(in crate::node) fn set_reader(&self, reader: StoreReader) {
        assert!(self.reader.set(reader).is_ok(), "a node has one local store");
    }

    /// What this node tells now.
    pub(in crate::node) fn now(&self) -> Beat {
        let chain = self.log.get().map(|log| log.chain());
        if let Some((version, _)) = &chain {
            self.news.set_known(*version);
        }
        let active = chain.as_ref().map(|(_, chain)| chain.active().params.id);
        let known_tail = active.and_then(|id| Some((id, self.unit.tail_now(id)?.ok()?.known_tail)));
        Beat {
            from: self.own,
            chain: self.news.known(),
            known_tail,
            applied: self.reader.get().map_or(Lsn::ZERO, StoreReader::applied),
            oldest_sync: self.sync_age(),
            quorum_heard: None,
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
        let from = theirs.from;
        let seen = *self.seen.lock().entry(from.storage).and_modify(|seen| *seen = from.max(*seen)).or_insert(from);
        let answer = if seen == from { Ok(self.now()) } else { Err(HeartbeatError::Forgot { from, seen }) };
        Box::pin(std::future::ready(answer))
    }
}
