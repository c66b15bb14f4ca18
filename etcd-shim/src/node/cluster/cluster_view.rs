//! [`cluster_view`]: the members and their data directories, as the store of this node has them.

use std::collections::{BTreeMap, BTreeSet};

use naxos_proto::contracts::{ClusterView, ListedMember};
use naxos_proto::etcd::server::etcdserverpb::Member;
use naxos_proto::ids::{ClusterId, LogId, Lsn, MemberId, StorageId};

use crate::state::SharedStore;

/// What a cluster keeps from its founding on.
#[derive(Clone)]
pub(in crate::node) struct ClusterNames {
    /// etcd's cluster id.
    pub(in crate::node) cluster: ClusterId,
    pub(in crate::node) log: LogId,
    /// The data directories that founded the cluster.
    pub(in crate::node) founders: BTreeMap<MemberId, StorageId>,
}

impl ClusterNames {
    /// The view of a node that has applied nothing.
    pub(in crate::node) fn first_view(self) -> ClusterView {
        let Self { cluster, log, founders } = self;
        ClusterView { cluster, log, seats: founders.clone(), founders, ..ClusterView::default() }
    }
}

/// The view of a store that has applied the log up to `at` or beyond. A store does not know the voters.
pub(in crate::node) fn cluster_view(store: &SharedStore, names: &ClusterNames, at: Lsn) -> ClusterView {
    let ClusterNames { cluster, log, founders } = names.clone();
    let store = store.read();
    let seats = store.seats.held(&founders);
    let listed = |member: &Member| ListedMember {
        name: member.name.clone(),
        peer_urls: member.peer_ur_ls.clone(),
        is_learner: member.is_learner,
    };
    let members = store.members.iter().map(|(id, member)| (MemberId(*id), listed(member))).collect();
    let version = store.versions.cluster();
    ClusterView { cluster, log, at, founders, seats, members, version, voters: BTreeSet::new() }
}
