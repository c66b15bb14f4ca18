//! [`ReplicaSlot`]: a place for the replica.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::peer::{Failure, Replica};

use crate::meta::MetaReplica;

/// A place for a [`MetaReplica`], which starts later than the port on which other replicas call it.
#[derive(Default)]
pub struct ReplicaSlot(OnceLock<Arc<MetaReplica>>);

impl ReplicaSlot {
    /// Puts the replica into its place.
    pub fn set(&self, replica: Arc<MetaReplica>) {
        assert!(self.0.set(replica).is_ok(), "a node has one replica");
    }
}

impl Replica for ReplicaSlot {
    fn serve(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, Failure>> {
        match self.0.get() {
            Some(replica) => Replica::serve(&**replica, request),
            None => Box::pin(std::future::ready(Err(Failure::NotDone("the replica has not started yet".to_owned())))),
        }
    }
}
