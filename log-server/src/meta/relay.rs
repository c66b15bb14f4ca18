//! Reads and puts through another replica, for a replica that does not reach the leader, or does not know it.
//!
//! Sometimes the network is cut only between two nodes. A third node, which reaches both, passes the call on. A
//! call is passed on only once: a replica that receives it from the third node, and does not lead, refuses it.

use bytes::Bytes;
use naxos_proto::ids::StorageId;
use serde::de::DeserializeOwned;

use crate::meta::codec::{decode, encode};
use crate::meta::request::{CallError, Request};
use crate::meta::types::{Answer, Put, Value};
use crate::meta::{MetaReplica, PeerError};

impl MetaReplica {
    /// Answers [`Request::RelayGet`].
    pub(super) async fn serve_relayed_get(&self) -> Bytes {
        encode(&self.at_leader(self.get_here(), || Request::Get).await)
    }

    /// Answers [`Request::RelayPut`].
    pub(super) async fn serve_relayed_put(&self, put: Put) -> Bytes {
        encode(&self.at_leader(self.put_here(put.clone()), || Request::Put(put)).await)
    }

    /// Asks the other replicas that this one knows, one after the other, until one of them has the value. If one of
    /// them names a leader that was not asked yet, that leader is asked, too. This helps a replica that was left out of
    /// the voters: nobody tells it of a leader any more, and it does not always know that it was left out.
    pub(super) async fn get_of_others(&self) -> Option<Value> {
        let mut asked = self.others();
        let mut next = 0;
        while let Some(replica) = asked.get(next).copied() {
            next += 1;
            match self.ask::<Value>(replica, &Request::RelayGet).await {
                Ok(value) => return Some(value),
                Err(CallError::NotLeader(Some(leader))) if !asked.contains(&leader) => asked.push(leader),
                Err(_) => {}
            }
        }
        None
    }

    /// Lets the other replicas that this one knows pass a put on, one after the other, until one of them may have done so.
    /// `None` if certainly none of them has.
    pub(super) async fn put_of_others(&self, put: &Put) -> Option<Result<Answer, CallError>> {
        for replica in self.others() {
            match self.ask::<Answer>(replica, &Request::RelayPut(put.clone())).await {
                Err(CallError::NotLeader(_) | CallError::Unavailable(_)) => {}
                outcome => return Some(outcome),
            }
        }
        None
    }

    /// The other replicas that this one knows.
    fn others(&self) -> Vec<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        metrics.membership_config.membership().nodes().map(|(id, _)| *id).filter(|id| *id != self.storage.0).collect()
    }

    async fn ask<T: DeserializeOwned>(&self, replica: u64, request: &Request) -> Result<T, CallError> {
        let answer = self.peers.call(StorageId(replica), encode(request)).await.map_err(|error| match error {
            PeerError::Unreachable(..) => CallError::NotLeader(None),
            PeerError::Unknown(..) => CallError::Unknown(error.to_string()),
        })?;
        decode::<Result<T, CallError>>(&answer)
            .unwrap_or_else(|e| Err(CallError::Unknown(format!("the answer of another replica does not decode: {e}"))))
    }
}
