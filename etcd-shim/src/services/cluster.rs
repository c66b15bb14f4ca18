//! `etcdserverpb.Cluster`. There is one member so far; changes of members are not built yet.

use naxos_proto::etcd::server::etcdserverpb as pb;
use tonic::{Request, Response, Status, async_trait};

use super::Desk;
use crate::metrics::Method;

/// The service on one RPC runtime.
pub(crate) struct ClusterService(pub(crate) Desk);

fn one_member<T>(what: &str) -> Result<Response<T>, Status> {
    Err(Status::unimplemented(format!("naxos: {what} is not built yet: this release runs one member")))
}

impl ClusterService {
    async fn do_list(&self, r: pb::MemberListRequest) -> Result<pb::MemberListResponse, Status> {
        let backend = &self.0.backend;
        if r.linearizable {
            self.0.linearize().await?;
        }
        let members = backend.store.read().members.values().cloned().collect();
        Ok(pb::MemberListResponse { header: Some(backend.header(0)), members })
    }
}

#[async_trait]
impl pb::cluster_server::Cluster for ClusterService {
    async fn member_list(&self, r: Request<pb::MemberListRequest>) -> Result<Response<pb::MemberListResponse>, Status> {
        self.0.unary(Method::MemberList, self.do_list(r.into_inner())).await
    }

    async fn member_add(&self, _: Request<pb::MemberAddRequest>) -> Result<Response<pb::MemberAddResponse>, Status> {
        one_member("MemberAdd")
    }

    async fn member_remove(
        &self,
        _: Request<pb::MemberRemoveRequest>,
    ) -> Result<Response<pb::MemberRemoveResponse>, Status> {
        one_member("MemberRemove")
    }

    async fn member_update(
        &self,
        _: Request<pb::MemberUpdateRequest>,
    ) -> Result<Response<pb::MemberUpdateResponse>, Status> {
        one_member("MemberUpdate")
    }

    async fn member_promote(
        &self,
        _: Request<pb::MemberPromoteRequest>,
    ) -> Result<Response<pb::MemberPromoteResponse>, Status> {
        one_member("MemberPromote")
    }
}
