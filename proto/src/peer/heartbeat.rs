//! Heartbeats over gRPC. [`RemoteHeartbeat`] calls, [`HeartbeatService`] serves.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::contracts::{Beat, Heartbeat, HeartbeatError, StartMark, SyncedBatches};
use crate::ids::{Boot, ChainVersion, Incarnation, LogletId, Lsn, Offset, StorageId};
use crate::peer::generated as wire;
use crate::peer::generated::heartbeat_client::HeartbeatClient;
use crate::peer::generated::heartbeat_server::{Heartbeat as Served, HeartbeatServer};
use crate::peer::limits::{BEAT_MAX, NODES_MAX};
use crate::peer::wire::{Garbage, Wire};
use crate::peer::{Failure, Gate, Home, PeerLink};
use crate::release::ClusterVersion;

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn mark_to_wire((storage, mark): (StorageId, StartMark)) -> wire::StartMark {
    wire::StartMark { storage: storage.0, boot: mark.boot.0, nonce: mark.nonce }
}

fn mark_from_wire(mark: wire::StartMark) -> (StorageId, StartMark) {
    (StorageId(mark.storage), StartMark { boot: Boot(mark.boot), nonce: mark.nonce })
}

fn synced_to_wire((storage, told): (StorageId, SyncedBatches)) -> wire::SyncedBatches {
    wire::SyncedBatches { storage: storage.0, boot: told.boot.0, count: told.count, earlier: told.earlier }
}

fn synced_from_wire(m: wire::SyncedBatches) -> (StorageId, SyncedBatches) {
    (StorageId(m.storage), SyncedBatches { boot: Boot(m.boot), count: m.count, earlier: m.earlier })
}

impl Wire for Beat {
    type Message = wire::BeatMessage;

    fn to_wire(self) -> wire::BeatMessage {
        let (loglet, known_tail) = self.known_tail.unzip();
        wire::BeatMessage {
            from: Some(self.from.to_wire()),
            chain: self.chain.0,
            loglet: loglet.map(Wire::to_wire),
            known_tail: known_tail.map_or(0, |offset| offset.0),
            applied: self.applied.0,
            oldest_sync_nanos: nanos(self.oldest_sync),
            quorum_heard_nanos: self.quorum_heard.map(nanos),
            nonce: self.nonce,
            admitted: self.admitted,
            hears: self.hears.into_iter().map(|node| node.0).collect(),
            noted: self.noted.into_iter().map(mark_to_wire).collect(),
            synced: self.synced.into_iter().map(synced_to_wire).collect(),
            understood: self.understood.0,
        }
    }

    fn from_wire(m: wire::BeatMessage) -> Result<Self, Garbage> {
        let loglet = m.loglet.map(LogletId::from_wire).transpose()?;
        if m.hears.len().max(m.noted.len()).max(m.synced.len()) > NODES_MAX {
            return Err(Garbage("the list of nodes in a heartbeat"));
        }
        Ok(Beat {
            from: Incarnation::from_wire(m.from.ok_or(Garbage("the sender of a heartbeat"))?)?,
            chain: ChainVersion(m.chain),
            known_tail: loglet.map(|loglet| (loglet, Offset(m.known_tail))),
            applied: Lsn(m.applied),
            oldest_sync: Duration::from_nanos(m.oldest_sync_nanos),
            quorum_heard: m.quorum_heard_nanos.map(Duration::from_nanos),
            nonce: m.nonce,
            admitted: m.admitted,
            hears: m.hears.into_iter().map(StorageId).collect(),
            noted: m.noted.into_iter().map(mark_from_wire).collect(),
            synced: m.synced.into_iter().map(synced_from_wire).collect(),
            understood: ClusterVersion(m.understood).max(ClusterVersion::FIRST),
        })
    }
}

/// Another node that answers heartbeats.
pub struct RemoteHeartbeat {
    link: Arc<PeerLink>,
}

impl RemoteHeartbeat {
    /// The peer of `link`.
    pub fn new(link: &Arc<PeerLink>) -> Self {
        Self { link: Arc::clone(link) }
    }
}

impl Heartbeat for RemoteHeartbeat {
    fn beat(&self, mine: Beat) -> BoxFuture<'_, Result<Beat, HeartbeatError>> {
        Box::pin(async move {
            let mut client = HeartbeatClient::new(self.link.channel());
            let request = self.link.request(mine.to_wire());
            let answer = self.link.within(BEAT_MAX, client.beat(request)).await;
            let answer = answer.map_err(|failure| match failure {
                Failure::OtherLog { log, .. } => HeartbeatError::OtherLog(log),
                other => HeartbeatError::Silent(other.to_string()),
            })?;
            let broken = |Garbage(what)| HeartbeatError::Silent(format!("{what} in its answer is broken"));
            Beat::from_wire(answer).map_err(broken)
        })
    }
}

/// Answers the heartbeats of other nodes.
pub struct HeartbeatService {
    home: Home,
    heartbeat: Arc<dyn Heartbeat>,
}

impl HeartbeatService {
    /// The gRPC service of `heartbeat`, behind the gate of the node `home`. It also answers while the node is not yet
    /// admitted.
    pub fn server(home: &Home, heartbeat: Arc<dyn Heartbeat>) -> InterceptedService<HeartbeatServer<Self>, Gate> {
        InterceptedService::new(
            HeartbeatServer::new(Self { home: home.clone(), heartbeat }),
            Gate::before_admission(home),
        )
    }
}

#[tonic::async_trait]
impl Served for HeartbeatService {
    async fn beat(&self, request: Request<wire::BeatMessage>) -> Result<Response<wire::BeatMessage>, Status> {
        let beat = Beat::from_wire(request.into_inner()).map_err(Status::from)?;
        let answer = self.heartbeat.beat(beat).await.map_err(|refused| Status::unavailable(refused.to_string()))?;
        Ok(self.home.answer(answer.to_wire()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::LogId;

    #[test]
    fn a_beat_survives_the_wire() {
        let beat = Beat {
            from: Incarnation { storage: StorageId(7), boot: Boot(3) },
            chain: ChainVersion(9),
            known_tail: Some((LogletId { log: LogId(1), ordinal: 2, nonce: 3 }, Offset(4))),
            applied: Lsn(5),
            oldest_sync: Duration::from_millis(6),
            quorum_heard: Some(Duration::from_millis(7)),
            nonce: 8,
            admitted: true,
            hears: vec![StorageId(11), StorageId(12)],
            noted: vec![(StorageId(8), StartMark { boot: Boot(9), nonce: 10 })],
            synced: vec![(StorageId(8), SyncedBatches { boot: Boot(9), count: 13, earlier: 14 })],
            understood: ClusterVersion(2),
        };
        let less = Beat { known_tail: None, quorum_heard: None, admitted: false, noted: vec![], ..beat.clone() };
        for beat in [beat, less] {
            assert_eq!(Beat::from_wire(beat.clone().to_wire()), Ok(beat));
        }
        assert!(Beat::from_wire(wire::BeatMessage::default()).is_err());
        let from = Some(Incarnation { storage: StorageId(7), boot: Boot(3) }.to_wire());
        let many = wire::BeatMessage { from, hears: vec![1; NODES_MAX + 1], ..wire::BeatMessage::default() };
        assert!(Beat::from_wire(many).is_err());
    }
}
