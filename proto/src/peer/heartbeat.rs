//! Heartbeats over gRPC. [`RemoteHeartbeat`] calls, [`HeartbeatService`] serves.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::contracts::{Beat, Heartbeat, HeartbeatError};
use crate::ids::{ChainVersion, Incarnation, LogletId, Lsn, Offset};
use crate::peer::generated as wire;
use crate::peer::generated::beat_answer::Answer;
use crate::peer::generated::heartbeat_client::HeartbeatClient;
use crate::peer::generated::heartbeat_server::{Heartbeat as Served, HeartbeatServer};
use crate::peer::limits::BEAT_MAX;
use crate::peer::wire::{Garbage, Wire};
use crate::peer::{Gate, Home, PeerLink};

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
        }
    }

    fn from_wire(m: wire::BeatMessage) -> Result<Self, Garbage> {
        let loglet = m.loglet.map(LogletId::from_wire).transpose()?;
        Ok(Beat {
            from: Incarnation::from_wire(m.from.ok_or(Garbage("the sender of a heartbeat"))?)?,
            chain: ChainVersion(m.chain),
            known_tail: loglet.map(|loglet| (loglet, Offset(m.known_tail))),
            applied: Lsn(m.applied),
            oldest_sync: Duration::from_nanos(m.oldest_sync_nanos),
            quorum_heard: m.quorum_heard_nanos.map(Duration::from_nanos),
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
            let from = mine.from;
            let unreachable = |why: String| HeartbeatError::Unreachable(why);
            let mut client = HeartbeatClient::new(self.link.channel());
            let request = self.link.request(mine.to_wire());
            let answer = self.link.within(BEAT_MAX, client.beat(request)).await;
            let answer = answer.map_err(|failure| unreachable(failure.to_string()))?;
            let broken = |_: Garbage| unreachable("the heartbeat's answer is broken".to_owned());
            match answer.answer {
                Some(Answer::Beat(beat)) => Beat::from_wire(beat).map_err(broken),
                Some(Answer::Seen(seen)) => {
                    Err(HeartbeatError::Forgot { from, seen: Incarnation::from_wire(seen).map_err(broken)? })
                }
                None => Err(unreachable("the heartbeat's answer is empty".to_owned())),
            }
        })
    }
}

/// Answers the heartbeats of other nodes.
pub struct HeartbeatService {
    home: Home,
    heartbeat: Arc<dyn Heartbeat>,
}

impl HeartbeatService {
    /// The gRPC service of `heartbeat`, behind the gate of the node `home`.
    pub fn server(home: &Home, heartbeat: Arc<dyn Heartbeat>) -> InterceptedService<HeartbeatServer<Self>, Gate> {
        InterceptedService::new(HeartbeatServer::new(Self { home: home.clone(), heartbeat }), Gate::new(home))
    }
}

#[tonic::async_trait]
impl Served for HeartbeatService {
    async fn beat(&self, request: Request<wire::BeatMessage>) -> Result<Response<wire::BeatAnswer>, Status> {
        let beat = Beat::from_wire(request.into_inner()).map_err(Status::from)?;
        let answer = match self.heartbeat.beat(beat).await {
            Ok(beat) => Answer::Beat(beat.to_wire()),
            Err(HeartbeatError::Forgot { seen, .. }) => Answer::Seen(seen.to_wire()),
            Err(HeartbeatError::Unreachable(why)) => return Err(Status::unavailable(why)),
        };
        Ok(self.home.answer(wire::BeatAnswer { answer: Some(answer) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Boot, LogId, StorageId};

    #[test]
    fn a_beat_survives_the_wire() {
        let beat = Beat {
            from: Incarnation { storage: StorageId(7), boot: Boot(3) },
            chain: ChainVersion(9),
            known_tail: Some((LogletId { log: LogId(1), ordinal: 2, nonce: 3 }, Offset(4))),
            applied: Lsn(5),
            oldest_sync: Duration::from_millis(6),
            quorum_heard: Some(Duration::from_millis(7)),
        };
        let less = Beat { known_tail: None, quorum_heard: None, ..beat.clone() };
        for beat in [beat, less] {
            assert_eq!(Beat::from_wire(beat.clone().to_wire()), Ok(beat));
        }
        assert!(Beat::from_wire(wire::BeatMessage::default()).is_err());
    }
}
