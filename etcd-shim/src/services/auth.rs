//! `etcdserverpb.Auth`. Authentication is always off: users and roles are not built yet. A client that was given a user
//! name and a password first asks for a token. It goes on without one when the answer says that authentication is off.

use naxos_proto::etcd::server::etcdserverpb as pb;
use tonic::{Request, Response, Status, async_trait};

use super::Desk;
use crate::metrics::Method;
use crate::state::EtcdError;

/// The auth revision that etcd shows before users or roles were changed.
const FIRST_AUTH_REVISION: u64 = 1;

/// The service on one RPC runtime.
pub(crate) struct AuthService(pub(crate) Desk);

fn not_built<T>(what: &str) -> Result<Response<T>, Status> {
    Err(Status::unimplemented(format!("naxos: {what} is not built yet: authentication is off")))
}

#[async_trait]
impl pb::auth_server::Auth for AuthService {
    async fn authenticate(
        &self,
        _: Request<pb::AuthenticateRequest>,
    ) -> Result<Response<pb::AuthenticateResponse>, Status> {
        self.0.unary(Method::Authenticate, async { Err(EtcdError::AuthNotEnabled.into()) }).await
    }

    async fn auth_status(&self, _: Request<pb::AuthStatusRequest>) -> Result<Response<pb::AuthStatusResponse>, Status> {
        let header = Some(self.0.backend.header_now());
        let answer = pb::AuthStatusResponse { header, enabled: false, auth_revision: FIRST_AUTH_REVISION };
        self.0.unary(Method::AuthStatus, async { Ok(answer) }).await
    }

    async fn auth_enable(&self, _: Request<pb::AuthEnableRequest>) -> Result<Response<pb::AuthEnableResponse>, Status> {
        not_built("AuthEnable")
    }

    async fn auth_disable(
        &self,
        _: Request<pb::AuthDisableRequest>,
    ) -> Result<Response<pb::AuthDisableResponse>, Status> {
        not_built("AuthDisable")
    }

    async fn user_add(&self, _: Request<pb::AuthUserAddRequest>) -> Result<Response<pb::AuthUserAddResponse>, Status> {
        not_built("UserAdd")
    }

    async fn user_get(&self, _: Request<pb::AuthUserGetRequest>) -> Result<Response<pb::AuthUserGetResponse>, Status> {
        not_built("UserGet")
    }

    async fn user_list(
        &self,
        _: Request<pb::AuthUserListRequest>,
    ) -> Result<Response<pb::AuthUserListResponse>, Status> {
        not_built("UserList")
    }

    async fn user_delete(
        &self,
        _: Request<pb::AuthUserDeleteRequest>,
    ) -> Result<Response<pb::AuthUserDeleteResponse>, Status> {
        not_built("UserDelete")
    }

    async fn user_change_password(
        &self,
        _: Request<pb::AuthUserChangePasswordRequest>,
    ) -> Result<Response<pb::AuthUserChangePasswordResponse>, Status> {
        not_built("UserChangePassword")
    }

    async fn user_grant_role(
        &self,
        _: Request<pb::AuthUserGrantRoleRequest>,
    ) -> Result<Response<pb::AuthUserGrantRoleResponse>, Status> {
        not_built("UserGrantRole")
    }

    async fn user_revoke_role(
        &self,
        _: Request<pb::AuthUserRevokeRoleRequest>,
    ) -> Result<Response<pb::AuthUserRevokeRoleResponse>, Status> {
        not_built("UserRevokeRole")
    }

    async fn role_add(&self, _: Request<pb::AuthRoleAddRequest>) -> Result<Response<pb::AuthRoleAddResponse>, Status> {
        not_built("RoleAdd")
    }

    async fn role_get(&self, _: Request<pb::AuthRoleGetRequest>) -> Result<Response<pb::AuthRoleGetResponse>, Status> {
        not_built("RoleGet")
    }

    async fn role_list(
        &self,
        _: Request<pb::AuthRoleListRequest>,
    ) -> Result<Response<pb::AuthRoleListResponse>, Status> {
        not_built("RoleList")
    }

    async fn role_delete(
        &self,
        _: Request<pb::AuthRoleDeleteRequest>,
    ) -> Result<Response<pb::AuthRoleDeleteResponse>, Status> {
        not_built("RoleDelete")
    }

    async fn role_grant_permission(
        &self,
        _: Request<pb::AuthRoleGrantPermissionRequest>,
    ) -> Result<Response<pb::AuthRoleGrantPermissionResponse>, Status> {
        not_built("RoleGrantPermission")
    }

    async fn role_revoke_permission(
        &self,
        _: Request<pb::AuthRoleRevokePermissionRequest>,
    ) -> Result<Response<pb::AuthRoleRevokePermissionResponse>, Status> {
        not_built("RoleRevokePermission")
    }
}
