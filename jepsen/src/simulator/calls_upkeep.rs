//! The other calls of a [`Caller`], besides reads and writes: leases, compaction, defragmentation, reconfiguration,
//! members.

use naxos_proto::control as ctl;
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::cluster_client::ClusterClient;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use pb::maintenance_client::MaintenanceClient;
use tokio_stream::once;
use tonic::Status;
use tonic::transport::Channel;

use super::calls::{Caller, broken, in_time};

impl Caller {
    fn lease(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.channel.clone())
    }

    /// Grants a lease. Returns the granted time-to-live in seconds.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn grant(&self, id: i64, ttl: i64) -> Result<i64, Status> {
        in_time(async { Ok(self.lease().lease_grant(pb::LeaseGrantRequest { ttl, id }).await?.into_inner().ttl) }).await
    }

    /// Renews a lease. Returns its time-to-live in seconds, or 0 if the lease is gone.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn keep_alive(&self, id: i64) -> Result<i64, Status> {
        in_time(async {
            let asked = once(pb::LeaseKeepAliveRequest { id });
            let mut answers = self.lease().lease_keep_alive(asked).await?.into_inner();
            let answer = answers.message().await?.ok_or_else(|| Status::unavailable("the stream has ended"))?;
            Ok(answer.ttl)
        })
        .await
    }

    /// Revokes a lease.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn revoke(&self, id: i64) -> Result<(), Status> {
        in_time(async { self.lease().lease_revoke(pb::LeaseRevokeRequest { id }).await.map(drop) }).await
    }

    /// The seconds that a lease has left (-1 if it is gone) and the seconds that it was granted.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn time_to_live(&self, id: i64) -> Result<(i64, i64), Status> {
        in_time(async {
            let asked = pb::LeaseTimeToLiveRequest { id, keys: true };
            let answer = self.lease().lease_time_to_live(asked).await?.into_inner();
            Ok((answer.ttl, answer.granted_ttl))
        })
        .await
    }

    /// The ids of all live leases.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn leases(&self) -> Result<Vec<i64>, Status> {
        in_time(async {
            let answer = self.lease().lease_leases(pb::LeaseLeasesRequest {}).await?.into_inner();
            Ok(answer.leases.into_iter().map(|l| l.id).collect())
        })
        .await
    }

    /// Compacts up to a revision. If `physical`, waits until the old revisions are removed.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn compact(&self, revision: i64, physical: bool) -> Result<(), Status> {
        in_time(async {
            let asked = pb::CompactionRequest { revision, physical };
            KvClient::new(self.channel.clone()).compact(asked).await.map(drop)
        })
        .await
    }

    /// Defragments the store.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn defragment(&self) -> Result<(), Status> {
        let mut maintenance = MaintenanceClient::new(self.channel.clone());
        in_time(async { maintenance.defragment(pb::DefragmentRequest {}).await.map(drop) }).await
    }

    /// Moves the log to a new loglet of `kind`, as `naxos ctl reconfigure` does. If `kind` is empty, the new loglet has
    /// the kind of the last one. Returns the number of the new loglet.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn reconfigure(&self, kind: &str) -> Result<u64, Status> {
        let mut control = ctl::control_client::ControlClient::new(self.channel.clone());
        in_time(async {
            let answer = control.reconfigure(ctl::ReconfigureRequest { kind: kind.to_owned() }).await?.into_inner();
            Ok(answer.active.ok_or_else(|| broken("active segment"))?.loglet_id)
        })
        .await
    }

    /// What the storage units of the log lack, as `naxos ctl units` shows it.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn units(&self) -> Result<ctl::UnitsResponse, Status> {
        let mut control = ctl::control_client::ControlClient::new(self.channel.clone());
        in_time(async { Ok(control.units(ctl::UnitsRequest {}).await?.into_inner()) }).await
    }

    fn cluster(&self) -> ClusterClient<Channel> {
        ClusterClient::new(self.channel.clone())
    }

    /// The members of the cluster.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn members(&self) -> Result<Vec<pb::Member>, Status> {
        let asked = pb::MemberListRequest { linearizable: true };
        in_time(async { Ok(self.cluster().member_list(asked).await?.into_inner().members) }).await
    }

    /// Adds a member with this peer URL.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn add_member(&self, peer_url: String, is_learner: bool) -> Result<(), Status> {
        let asked = pb::MemberAddRequest { peer_ur_ls: vec![peer_url], is_learner };
        in_time(async { self.cluster().member_add(asked).await.map(drop) }).await
    }

    /// Makes a learner a voting member.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn promote_member(&self, id: u64) -> Result<(), Status> {
        in_time(async { self.cluster().member_promote(pb::MemberPromoteRequest { id }).await.map(drop) }).await
    }

    /// Removes a member for good.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn remove_member(&self, id: u64) -> Result<(), Status> {
        in_time(async { self.cluster().member_remove(pb::MemberRemoveRequest { id }).await.map(drop) }).await
    }

    /// Makes the member with this id the leader.
    ///
    /// # Errors
    /// The error of the server or of the connection.
    pub async fn move_leader(&self, target_id: u64) -> Result<(), Status> {
        let mut maintenance = MaintenanceClient::new(self.channel.clone());
        let asked = pb::MoveLeaderRequest { target_id };
        in_time(async { maintenance.move_leader(asked).await.map(drop) }).await
    }
}
