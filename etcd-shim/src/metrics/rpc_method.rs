//! The RPCs that etcd counts, with their names.

/// How many messages a call has in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RpcType {
    /// One request, one answer.
    Unary,
    /// One request, many answers.
    ServerStream,
    /// Many requests, many answers.
    BidiStream,
}

impl RpcType {
    /// The value of the label `grpc_type`.
    pub fn label(self) -> &'static str {
        match self {
            RpcType::Unary => "unary",
            RpcType::ServerStream => "server_stream",
            RpcType::BidiStream => "bidi_stream",
        }
    }
}

macro_rules! methods {
    ($($name:ident => $service:literal, $method:literal, $kind:ident;)*) => {
        /// An RPC.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Method {
            $(#[doc = concat!("`", $service, "/", $method, "`")] $name,)*
        }

        impl Method {
            /// All RPCs, in the order of their numbers.
            pub const ALL: &'static [Method] = &[$(Method::$name,)*];

            /// The service, the method and the type.
            pub fn labels(self) -> (&'static str, &'static str, RpcType) {
                match self { $(Method::$name => ($service, $method, RpcType::$kind),)* }
            }
        }
    };
}

methods! {
    Range => "etcdserverpb.KV", "Range", Unary;
    Put => "etcdserverpb.KV", "Put", Unary;
    DeleteRange => "etcdserverpb.KV", "DeleteRange", Unary;
    Txn => "etcdserverpb.KV", "Txn", Unary;
    Compact => "etcdserverpb.KV", "Compact", Unary;
    Watch => "etcdserverpb.Watch", "Watch", BidiStream;
    LeaseGrant => "etcdserverpb.Lease", "LeaseGrant", Unary;
    LeaseRevoke => "etcdserverpb.Lease", "LeaseRevoke", Unary;
    LeaseKeepAlive => "etcdserverpb.Lease", "LeaseKeepAlive", BidiStream;
    LeaseTimeToLive => "etcdserverpb.Lease", "LeaseTimeToLive", Unary;
    LeaseLeases => "etcdserverpb.Lease", "LeaseLeases", Unary;
    MemberAdd => "etcdserverpb.Cluster", "MemberAdd", Unary;
    MemberRemove => "etcdserverpb.Cluster", "MemberRemove", Unary;
    MemberUpdate => "etcdserverpb.Cluster", "MemberUpdate", Unary;
    MemberList => "etcdserverpb.Cluster", "MemberList", Unary;
    MemberPromote => "etcdserverpb.Cluster", "MemberPromote", Unary;
    Alarm => "etcdserverpb.Maintenance", "Alarm", Unary;
    Status => "etcdserverpb.Maintenance", "Status", Unary;
    Defragment => "etcdserverpb.Maintenance", "Defragment", Unary;
    Hash => "etcdserverpb.Maintenance", "Hash", Unary;
    HashKv => "etcdserverpb.Maintenance", "HashKV", Unary;
    Snapshot => "etcdserverpb.Maintenance", "Snapshot", ServerStream;
    MoveLeader => "etcdserverpb.Maintenance", "MoveLeader", Unary;
    Downgrade => "etcdserverpb.Maintenance", "Downgrade", Unary;
    AuthEnable => "etcdserverpb.Auth", "AuthEnable", Unary;
    AuthDisable => "etcdserverpb.Auth", "AuthDisable", Unary;
    AuthStatus => "etcdserverpb.Auth", "AuthStatus", Unary;
    Authenticate => "etcdserverpb.Auth", "Authenticate", Unary;
    UserAdd => "etcdserverpb.Auth", "UserAdd", Unary;
    UserGet => "etcdserverpb.Auth", "UserGet", Unary;
    UserList => "etcdserverpb.Auth", "UserList", Unary;
    UserDelete => "etcdserverpb.Auth", "UserDelete", Unary;
    UserChangePassword => "etcdserverpb.Auth", "UserChangePassword", Unary;
    UserGrantRole => "etcdserverpb.Auth", "UserGrantRole", Unary;
    UserRevokeRole => "etcdserverpb.Auth", "UserRevokeRole", Unary;
    RoleAdd => "etcdserverpb.Auth", "RoleAdd", Unary;
    RoleGet => "etcdserverpb.Auth", "RoleGet", Unary;
    RoleList => "etcdserverpb.Auth", "RoleList", Unary;
    RoleDelete => "etcdserverpb.Auth", "RoleDelete", Unary;
    RoleGrantPermission => "etcdserverpb.Auth", "RoleGrantPermission", Unary;
    RoleRevokePermission => "etcdserverpb.Auth", "RoleRevokePermission", Unary;
    HealthCheck => "grpc.health.v1.Health", "Check", Unary;
    HealthList => "grpc.health.v1.Health", "List", Unary;
    HealthWatch => "grpc.health.v1.Health", "Watch", ServerStream;
}
