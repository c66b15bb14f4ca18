//! The programs that are compared. They are found or built, started, measured and stopped.

pub mod candidate;
pub mod cluster;
pub mod delay_proxy;
pub mod disk;
pub mod etcd_build;
pub mod machine;
pub mod network;
pub mod ports;
pub mod proc_stat;
pub mod program;
pub mod running;
pub mod seat;
pub mod slow_syncs;
pub mod tools;

pub use candidate::Candidate;
pub use cluster::Cluster;
pub use program::Programs;
pub use running::Server;
