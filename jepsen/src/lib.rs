//! Tests of a whole Naxos server: under faults, and next to the real etcd, whose answers it must give.
//!
//! - [`cargo`](mod@cargo): cargo, for a test that builds something
//! - [`pace`]: the clock, the pauses and the threads of this package
//! - [`differential`]: random requests to Naxos and to a real etcd
//! - [`next_release`]: the server as its next release would be
//! - [`etcdctl`]: the command line client and its output
//! - [`servers`]: etcd and the Kubernetes components, built from pinned Go modules.
//! - [`process`]: starts, observes, kills and measures a process; [`etcd_server`]: a process that speaks etcd's API
//! - [`kill_loop`]: writers and `kill -9`, and a check that nothing acknowledged is lost
//! - [`cluster`]: a cluster of real processes that are killed, frozen and ended while clients write and watch
//! - [`kubernetes`]: a control plane as kubeadm sets it up, work on it, and kills during that work
//! - [`model`]: a model of the replicated log's protocol, and a check of every state that it can reach
//! - [`simulator`]: whole nodes in one thread; a seed decides everything that happens
//! - [`machine`]: what a test needs from the machine, and what happens if that is missing.

pub mod cargo;
pub mod cluster;
pub mod differential;
pub mod etcd_server;
pub mod etcdctl;
pub mod kill_loop;
pub mod kubernetes;
pub mod machine;
pub mod model;
pub mod next_release;
pub mod pace;
pub mod process;
pub mod servers;
pub mod simulator;
