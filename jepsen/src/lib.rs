//! Fault tests: everything that runs Naxos from outside, beside the real servers that it must equal.
//!
//! - [`pace`]: the one place where tests read the clock, wait and start threads.
//! - [`differential`]: random requests to Naxos and to a real etcd
//! - [`etcdctl`]: the command line client, and what it prints
//! - [`servers`]: etcd and the Kubernetes components, built from pinned Go modules.
//! - [`process`]: one process: started, watched, killed, measured; [`etcd_server`]: one that speaks etcd's API
//! - [`kill_loop`]: writers and `kill -9`, until something is lost
//! - [`kubernetes`]: a control plane as kubeadm sets it up, its work, and the kills under it
//! - [`simulator`]: a whole node in one thread, decided by a seed
//! - [`machine`]: what a test needs of the machine, and what happens where it is missing.

pub mod differential;
pub mod etcd_server;
pub mod etcdctl;
pub mod kill_loop;
pub mod kubernetes;
pub mod machine;
pub mod pace;
pub mod process;
pub mod servers;
pub mod simulator;
