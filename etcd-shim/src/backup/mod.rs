//! Writes the state of a store as the file of an etcd server, and reads such a file.
//!
//! The file is that of `etcdctl snapshot save`: a file of bbolt ([`crate::bolt`]) with etcd's buckets, and the SHA-256 of all
//! its bytes at the end. etcd's own data directory has the same file without a checksum.
//!
//! - [`Backup`]: writes the file, piece by piece, from [`FixedRows`](naxos_engines::local_store::FixedRows);
//!   [`facts`]: what is in its small buckets; [`etcd_pass`]: makes its pages once, from the first to the last
//! - [`EtcdFile`]: reads a file; [`MappedFile`]: the bytes of one; [`check_digest`]: its checksum
//! - [`names`]: the names of etcd's buckets and of their keys; [`Lease`](lease::Lease): a lease in the file

#[expect(clippy::module_inception, reason = "one type per file, named after it")]
mod backup;
mod backup_error;
mod digest;
mod etcd_file;
mod etcd_pass;
mod facts;
mod lease;
mod mapped_file;
mod names;

#[cfg(test)]
mod tests;

pub(crate) use backup::{Backup, Step};
pub(crate) use backup_error::BackupError;
pub(crate) use digest::{DIGEST_BYTES, check_digest, has_digest};
pub(crate) use etcd_file::EtcdFile;
pub(crate) use mapped_file::MappedFile;
