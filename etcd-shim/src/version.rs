//! Versions: the etcd that this server is compatible with, and its own.

/// The etcd whose API and behaviour this server has. Clients switch features on by it.
pub const ETCD: &str = "3.6.16";
/// The cluster version that a cluster of this server agrees on.
pub const ETCD_CLUSTER: &str = "3.6.0";
/// The storage version shown to clients.
pub const ETCD_STORAGE: &str = "3.6.0";
/// Naxos itself.
pub const NAXOS: &str = env!("CARGO_PKG_VERSION");
