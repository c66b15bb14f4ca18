//! Versions: that of the etcd with which this server is compatible, and the server's own.

/// The version of etcd whose API and behaviour this server has. Clients enable features according to it.
pub const ETCD: &str = "3.6.16";
/// The cluster version that this server shows.
pub const ETCD_CLUSTER: &str = "3.6.0";
/// The storage version that this server shows.
pub const ETCD_STORAGE: &str = "3.6.0";
/// The version of Naxos.
pub const NAXOS: &str = env!("CARGO_PKG_VERSION");
