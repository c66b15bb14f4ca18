//! [`Remote`]: another node, with the stubs of what it serves.

use std::sync::Arc;

use naxos_proto::contracts::StorageUnit;
use naxos_proto::peer::{PeerLink, RemoteChecksums, RemoteHeartbeat, RemoteLeaseKeeper, RemoteSnapshots, RemoteUnit};

/// Another node.
pub(super) struct Remote {
    pub(super) link: Arc<PeerLink>,
    unit: Arc<RemoteUnit>,
    pub(super) keeper: Arc<RemoteLeaseKeeper>,
    pub(super) heartbeat: Arc<RemoteHeartbeat>,
    pub(super) snapshots: Arc<RemoteSnapshots>,
    pub(super) checksums: Arc<RemoteChecksums>,
}

impl Remote {
    pub(super) fn new(link: Arc<PeerLink>) -> Self {
        let unit = Arc::new(RemoteUnit::new(&link));
        let keeper = Arc::new(RemoteLeaseKeeper::new(&link));
        let heartbeat = Arc::new(RemoteHeartbeat::new(&link));
        let snapshots = Arc::new(RemoteSnapshots::new(&link));
        let checksums = Arc::new(RemoteChecksums::new(&link));
        Self { link, unit, keeper, heartbeat, snapshots, checksums }
    }

    pub(super) fn unit(&self) -> Arc<dyn StorageUnit> {
        Arc::clone(&self.unit) as _
    }
}
