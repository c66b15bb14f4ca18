//! The production [`Disk`](naxos_proto::seams::Disk): plain files under one data directory.
//!
//! Calls run in the poll of the Worker that makes them: an fdatasync of 120 us takes less time than handing it over to
//! a thread pool and back. Invariant: no path leaves the root; the root is made with mode 0700.

mod real_disk;
mod real_file;

pub use real_disk::RealDisk;
