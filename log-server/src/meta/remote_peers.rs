//! [`RemotePeers`]: the other replicas, over the calls between nodes; and the service side of [`MetaReplica`].

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::ids::StorageId;
use naxos_proto::peer::{Failure, PeerLink, RemoteReplica, Replica};
use parking_lot::RwLock;

use crate::meta::{MetaPeers, MetaReplica, PeerError};

/// Reaches each replica over the link to its node. Links may be set and removed while the replica runs.
#[derive(Default)]
pub struct RemotePeers {
    replicas: RwLock<BTreeMap<StorageId, RemoteReplica>>,
}

impl RemotePeers {
    /// Reaches the replica on the peer of `link` over `link` from now on.
    pub fn set(&self, link: &Arc<PeerLink>) {
        self.replicas.write().insert(link.peer(), RemoteReplica::new(link));
    }

    /// Forgets the link to `peer`. From now on, its replica is not reachable.
    pub fn remove(&self, peer: StorageId) {
        self.replicas.write().remove(&peer);
    }
}

impl MetaPeers for RemotePeers {
    fn call(&self, to: StorageId, request: Bytes) -> BoxFuture<'_, Result<Bytes, PeerError>> {
        let replica = self.replicas.read().get(&to).cloned();
        Box::pin(async move {
            let Some(replica) = replica else {
                return Err(PeerError::Unreachable(to, "its address is not known here".to_owned()));
            };
            replica.call(request).await.map_err(|failure| match failure {
                Failure::Lost(text) => PeerError::Unknown(to, text),
                not_done => PeerError::Unreachable(to, not_done.to_string()),
            })
        })
    }
}

impl Replica for MetaReplica {
    fn serve(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, Failure>> {
        Box::pin(async move {
            MetaReplica::serve(self, request).await.map_err(|error| match error {
                PeerError::Unreachable(..) => Failure::NotDone(error.to_string()),
                PeerError::Unknown(..) => Failure::Lost(error.to_string()),
            })
        })
    }
}
