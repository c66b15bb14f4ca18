//! A Kubernetes control plane on a server that speaks etcd's API.
//!
//! - [`network`]: a network of its own; [`probe`]: health over plain HTTP
//! - [`plane`]: what kubeadm writes, and the components started from it
//! - [`kubectl`]: the client; [`watching`]: its watches
//! - [`work`]: objects created, patched and deleted, and what was acknowledged
//! - [`nemesis`]: kills the server while that goes on

pub mod kubectl;
pub mod nemesis;
pub mod network;
pub mod plane;
pub mod probe;
pub mod watching;
pub mod work;
