//! [`CatchUp`]: gets a snapshot from another node, if the log no longer holds what this node's local store lacks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos_client::failure::NodeState;
use naxos_client::{LogError, SharedLog, VirtualLog};
use naxos_engines::LocalStore;
use naxos_engines::snapshots::{Fetcher, remove_fetched};
use naxos_proto::contracts::Snapshots;
use naxos_proto::ids::{Lsn, StorageId};
use tokio::sync::watch;

use super::context::Context;
use super::open_store::reopen_store;
use super::start_error::StartError;
use crate::node::attempts::Attempts;
use crate::node::cluster::Peers;
use crate::state::SharedStore;

/// The time between two attempts to read the log.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// A local store that is open, and the store that was rebuilt from it in memory.
pub(super) type OpenStore = (LocalStore, Arc<SharedStore>);

/// See the module.
pub(super) struct CatchUp<'a> {
    pub(super) context: &'a Context,
    pub(super) log: &'a Arc<VirtualLog>,
    pub(super) own: StorageId,
    pub(super) peers: &'a Peers,
    pub(super) nodes: &'a watch::Receiver<BTreeMap<StorageId, NodeState>>,
}

impl CatchUp<'_> {
    /// If the log holds what comes after the local store, returns the store as it is. Else replaces it with a snapshot.
    /// The unit and the MetaStore's replica of this node go on running meanwhile.
    /// # Cancel safety
    /// What was fetched stays, and the next start goes on with it.
    pub(super) async fn store(&self, mut open: OpenStore) -> Result<OpenStore, StartError> {
        let seams = &self.context.seams;
        while let Some(begin) = self.begin_of_log(open.0.applied()).await {
            let persisted = open.0.applied();
            tracing::warn!(
                applied = persisted.0,
                begin = begin.0,
                "the log no longer holds the entries after this member's local store: fetching a snapshot"
            );
            // From here on nobody uses the old file.
            drop(open);
            let (disk, clock) = (Arc::clone(&seams.disk), Arc::clone(&seams.clock));
            let reserve_bytes = self.context.reserve_bytes;
            let fetcher = Fetcher { disk, clock, own: self.own, log: self.log.id(), reserve_bytes };
            let fetched = fetcher.fetch(|| self.sources(), begin, persisted).await?;
            let cursor = fetched.cursor;
            fetched.install(&*seams.disk, self.own).await?;
            tracing::info!(cursor = cursor.0, "the snapshot is installed");
            open = reopen_store(seams, self.own, self.context.config.limits.resident_bytes).await?;
        }
        remove_fetched(&*seams.disk).await?;
        Ok(open)
    }

    /// The other nodes that are alive.
    fn sources(&self) -> Vec<(StorageId, Arc<dyn Snapshots>)> {
        let nodes = self.nodes.borrow();
        let is_alive = |storage: &StorageId| nodes.get(storage).is_some_and(|state| state.alive().is_some());
        self.peers.snapshots().into_iter().filter(|(storage, _)| is_alive(storage)).collect()
    }

    /// Returns a position if the entry at `next` was trimmed. The log begins at this position or after it.
    async fn begin_of_log(&self, next: Lsn) -> Option<Lsn> {
        let mut attempts = Attempts::new(&*self.context.seams.clock);
        loop {
            let error = match self.look(next).await {
                Ok(()) => return None,
                Err(LogError::Trimmed(begin)) => return Some(begin.max(next.next())),
                // The replay will say the same, and will end the start.
                Err(LogError::Lost(..)) => return None,
                Err(error @ LogError::Unavailable(_)) => error,
            };
            attempts.pause(TRY_AGAIN, || tracing::info!(%error, "waiting for the log")).await;
        }
    }

    /// Whether the log holds the entry at `next`, or ends before it.
    async fn look(&self, next: Lsn) -> Result<(), LogError> {
        if self.log.check_tail().await? <= next {
            return Ok(());
        }
        self.log.read(next, next.next(), 1).await.map(drop)
    }
}
