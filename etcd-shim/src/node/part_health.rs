//! [`PartHealth`]: answers the HTTP health checks of a log server or a sequencer.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_client::failure::NodeState;
use naxos_client::{SharedLog, VirtualLog};
use naxos_log_server::Unit;
use naxos_proto::ids::StorageId;
use naxos_proto::loglet_roles::LogletRoles;
use tokio::sync::watch;

use crate::http::{AlarmKind, ServerHealth};

/// See the module. The process is healthy if its disk takes writes and the log answers. The check `/health` also needs
/// the sequencer of the active loglet to be alive.
pub(super) struct PartHealth {
    pub(super) log: Arc<VirtualLog>,
    pub(super) unit: Arc<Unit>,
    pub(super) nodes: watch::Receiver<BTreeMap<StorageId, NodeState>>,
}

impl PartHealth {
    fn disk(&self) -> Result<(), String> {
        match self.unit.poisoned() {
            Some(error) => Err(error.to_string()),
            None => Ok(()),
        }
    }
}

impl ServerHealth for PartHealth {
    fn serializable_read(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { self.disk() })
    }

    fn linearizable_read(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            self.disk()?;
            self.log.check_tail().await.map(drop).map_err(|error| error.to_string())
        })
    }

    fn alarms(&self) -> Vec<(u64, AlarmKind)> {
        Vec::new()
    }

    fn has_leader(&self) -> bool {
        let (_, chain) = self.log.chain();
        // A loglet without a sequencer needs no leader, so it counts as having one.
        LogletRoles::of(&chain.active().params).map_or(true, |roles| {
            let state = self.nodes.borrow().get(&roles.sequencer.storage).copied();
            state.and_then(NodeState::alive) == Some(roles.sequencer)
        })
    }

    fn is_learner(&self) -> bool {
        false
    }

    fn cluster_version(&self) -> Option<String> {
        None
    }

    fn storage_version(&self) -> Option<String> {
        None
    }
}
