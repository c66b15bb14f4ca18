//! [`OpenError`]: why a data directory is not opened.

use std::io;

use naxos_proto::codec::DecodeError;

/// Why a log server does not start. The data directory is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be made, listed or written.
    #[error("the data directory cannot be used ({0}): expected a directory that this process may read and write")]
    Unusable(io::Error),
    /// Another process uses it.
    #[error(
        "the data directory is in use by another process (it holds the lock on {file:?}): stop it, or choose another data directory"
    )]
    Locked {
        /// The lock file.
        file: String,
    },
    /// A real etcd's data.
    #[error(
        "the data directory belongs to etcd (it has a \"member\" directory), expected an empty one or one of Naxos: \
         choose another data directory; data moves over key by key, by a client of both"
    )]
    Etcd,
    /// Somebody else's files.
    #[error(
        "the data directory is not empty and not one of Naxos: found {found:?}, expected nothing or a file \"format\"; \
         choose another directory, or empty this one"
    )]
    Foreign {
        /// A name in it.
        found: String,
    },
    /// The file `format` is damaged.
    #[error("the file \"format\" of the data directory is damaged: {0}; restore the directory from a backup")]
    Format(String),
    /// Written by a newer release.
    #[error(
        "the data directory has format version {found}, this build reads version {known}: start the release that wrote it"
    )]
    Version {
        /// Found.
        found: u64,
        /// The one that this build reads.
        known: u64,
    },
    /// A segment of a newer release.
    #[error("{file} has format version {found}, this build reads version {known}: start the release that wrote it")]
    SegmentVersion {
        /// The segment.
        file: String,
        /// Found.
        found: u32,
        /// The one that this build reads.
        known: u32,
    },
    /// Damage that recovery does not guess about.
    #[error("{file} is damaged at byte {at}: expected {expected}; restore the directory from a backup")]
    Damaged {
        /// The file.
        file: String,
        /// Byte in it.
        at: u64,
        /// What had to be there.
        expected: &'static str,
    },
    /// A checkpoint that is whole but not understood.
    #[error("{file} has a checkpoint at byte {at} that this build does not read: {source}")]
    Checkpoint {
        /// The segment.
        file: String,
        /// Byte in it.
        at: u64,
        /// What is wrong.
        source: DecodeError,
    },
    /// The MetaStore's records do not decode.
    #[error("the metadata store's state in the journal does not decode: {0}")]
    Meta(String),
    /// A value of the configuration is out of range.
    #[error("{field} must be {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// The disk does not do what it is asked.
    #[error("{file}: {source}")]
    Io {
        /// The file or directory.
        file: String,
        /// The operating system's word.
        source: io::Error,
    },
    /// The first write of this start failed.
    #[error("the storage unit does not start: {0}")]
    Unit(#[from] naxos_proto::contracts::UnitError),
}

impl OpenError {
    pub(crate) fn io(file: impl Into<String>, source: io::Error) -> Self {
        OpenError::Io { file: file.into(), source }
    }
}
