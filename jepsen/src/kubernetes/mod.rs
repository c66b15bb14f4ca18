//! A Kubernetes control plane on a server that speaks etcd's API.
//!
//! - [`network`]: a network namespace for the test; [`probe`]: health checks over plain HTTP
//! - [`plane`]: the files that kubeadm writes, and the components started from them
//! - [`kubectl`]: the client; [`watching`]: its watches
//! - [`work`]: creates, patches and deletes objects, and remembers what was acknowledged
//! - [`nemesis`]: kills the server during that work

pub mod kubectl;
pub mod nemesis;
pub mod network;
pub mod plane;
pub mod probe;
pub mod watching;
pub mod work;
