//! [`SnapshotDesk`]: where the other nodes ask this node for snapshots.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_engines::snapshots::Offering;
use naxos_proto::contracts::{Manifest, SnapshotError, Snapshots};
use naxos_proto::ids::{Lsn, StorageId};

use crate::backend::Fence;

/// A place for the snapshots of this node. It is empty until the node has replayed the log up to its tail. Before
/// that, the node could offer only an old state. A node whose state differs from that of the others offers none.
#[derive(Default)]
pub(in crate::node) struct SnapshotDesk(OnceLock<(Offering, Arc<Fence>)>);

impl SnapshotDesk {
    /// Offers snapshots from now on.
    pub(in crate::node) fn set(&self, offering: Offering, fence: Arc<Fence>) {
        assert!(self.0.set((offering, fence)).is_ok(), "a node offers its snapshots once");
    }

    fn offering(&self) -> Result<&Offering, SnapshotError> {
        let refused = |why: &str| SnapshotError::Refused(why.to_owned());
        match self.0.get() {
            Some((_, fence)) if fence.is_up() => Err(refused("the state of this node differs from that of the others")),
            Some((offering, _)) => Ok(offering),
            None => Err(refused("this node is still starting")),
        }
    }
}

impl Snapshots for SnapshotDesk {
    fn offer(&self, to: StorageId, at_least: Lsn) -> BoxFuture<'_, Result<Manifest, SnapshotError>> {
        match self.offering() {
            Ok(offering) => offering.offer(to, at_least),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn read(&self, id: u64, at: u64, len: u32) -> BoxFuture<'_, Result<Bytes, SnapshotError>> {
        match self.offering() {
            Ok(offering) => offering.read(id, at, len),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}
