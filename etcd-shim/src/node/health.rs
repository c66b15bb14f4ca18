//! [`NodeHealth`]: answers the HTTP health checks.

use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::etcd::server::etcdserverpb::AlarmType;

use crate::backend::Backend;
use crate::http::{AlarmKind, ServerHealth};
use crate::version;

/// See the module.
pub(crate) struct NodeHealth(pub(crate) Arc<Backend>);

impl ServerHealth for NodeHealth {
    fn serializable_read(&self) -> BoxFuture<'_, Result<(), String>> {
        let _ = self.0.store.read().revision;
        Box::pin(async { Ok(()) })
    }

    fn linearizable_read(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            // A node that can read but not write is not ready: its clients' writes should go to another node.
            self.0.look_at_disk().await;
            match self.0.write_problem() {
                Some(problem) => Err(problem),
                None => self.0.linearize(&self.0.gate, &self.0.deadlines).await.map_err(|e| e.message().to_owned()),
            }
        })
    }

    fn alarms(&self) -> Vec<(u64, AlarmKind)> {
        let kind = |alarm: i32| match AlarmType::try_from(alarm) {
            Ok(AlarmType::Nospace) => Some(AlarmKind::NoSpace),
            Ok(AlarmType::Corrupt) => Some(AlarmKind::Corrupt),
            _ => None,
        };
        let on: Vec<_> = self.0.store.read().alarms.iter().filter_map(|(m, a)| Some((*m, kind(*a)?))).collect();
        // A person may have turned the alarm off, but the state of this member still differs.
        let own = (self.0.member_id, AlarmKind::Corrupt);
        let is_hidden = self.0.fence.is_up() && !on.contains(&own);
        on.into_iter().chain(is_hidden.then_some(own)).collect()
    }

    fn has_leader(&self) -> bool {
        self.0.leader().is_some()
    }

    fn is_learner(&self) -> bool {
        self.0.is_learner()
    }

    fn cluster_version(&self) -> Option<String> {
        Some(version::ETCD_CLUSTER.to_owned())
    }

    fn storage_version(&self) -> Option<String> {
        Some(version::ETCD_STORAGE.to_owned())
    }
}
