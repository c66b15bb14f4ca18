//! [`BackupError`]: why a file cannot be written or read.

use std::io;

use naxos_engines::local_store::StoreError;
use naxos_proto::codec::DecodeError;

use crate::bolt::BoltError;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The local store cannot be read.
    #[error("the local store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// A row of the local store is damaged.
    #[error("the local store is damaged: {0}")]
    Row(#[from] DecodeError),
    /// The file is not what bbolt writes.
    #[error(transparent)]
    Bolt(#[from] BoltError),
    /// The second pass over the same rows made another file than the first one.
    #[error("the file changed while it was being made: expected {expected} bytes, found {found}")]
    Changed {
        /// The bytes that the first pass made.
        expected: u64,
        /// The bytes that the second pass has made.
        found: u64,
    },
    /// The file cannot be opened, locked or mapped.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another process has the file open.
    #[error("another process has it open: stop the etcd server that uses it first")]
    InUse,
    /// The file is empty.
    #[error("it is empty, expected a file that `etcdctl snapshot save` has written")]
    Empty,
    /// The checksum at the end does not hold.
    #[error(
        "its checksum does not hold: the file is damaged or truncated, expected the SHA-256 {expected}, found {found}"
    )]
    Digest {
        /// The checksum of the bytes.
        expected: String,
        /// The checksum at the end of the file.
        found: String,
    },
    /// The file has no checksum.
    #[error(
        "it has no checksum at its end ({0} bytes, expected a multiple of 512 and 32 more): it is truncated, or it was copied \
         from a data directory. If it was copied while no server ran on it, give --skip-hash-check"
    )]
    NoDigest(u64),
    /// A key of a bucket, or its value, is not one of etcd's.
    #[error("bucket {bucket:?} has a key {key} that is damaged or not one of etcd's: expected {expected}")]
    Content {
        /// The bucket.
        bucket: &'static str,
        /// The key, in hexadecimal.
        key: String,
        /// What should have been there.
        expected: String,
    },
}

impl BackupError {
    /// The error for a key or its value.
    pub(super) fn content(bucket: &'static str, key: &[u8], expected: impl Into<String>) -> Self {
        // A key may be long, and its beginning is enough to find it.
        let key = key.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
        Self::Content { bucket, key, expected: expected.into() }
    }
}
