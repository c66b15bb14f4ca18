//! The production [`Disk`](naxos_proto::seams::Disk): plain files under one data directory.
//!
//! A call blocks the Worker that makes it. An fdatasync takes 120 us, and that is less time than handing it over to a
//! thread pool and back. Invariant: no path leaves the root; the root is made with mode 0700.

mod real_disk;
mod real_file;

pub use real_disk::RealDisk;
