//! The programs that are compared. They are found or built, started, measured and stopped.

pub mod candidate;
pub mod etcd_build;
pub mod machine;
pub mod proc_stat;
pub mod program;
pub mod running;

pub use candidate::Candidate;
pub use program::Programs;
pub use running::Server;
