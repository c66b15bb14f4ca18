//! [`OpenError`]: why a data directory cannot be opened.

use std::io;

use naxos_proto::codec::DecodeError;
use naxos_proto::ids::{ClusterId, MemberId};
use naxos_proto::release::NewerCluster;

/// Why a log server or its MetaStore replica does not start. If [`FoundJournal::read`](crate::FoundJournal::read)
/// returns it, no data in the directory was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be created, listed or written.
    #[error("the data directory cannot be used ({0}): expected a directory that this process may read and write")]
    Unusable(io::Error),
    /// Another process uses the directory.
    #[error(
        "the data directory is in use by another process (it holds the lock on {file:?}): stop it, or choose another data directory"
    )]
    Locked {
        /// The path of the lock file.
        file: String,
    },
    /// The directory holds the data of a real etcd.
    #[error(
        "the data directory belongs to etcd (it has a \"member\" directory), expected an empty one or one of Naxos: choose \
         another data directory. To take the data over, stop etcd and run `naxos ctl restore --etcd-data-dir=DIR \
         --data-dir=NEW`, where DIR is this directory and NEW is an empty one, and start on NEW"
    )]
    Etcd,
    /// A recovery or a restore into this directory was not finished.
    #[error(
        "a recovery or a restore into this data directory was not finished: run the same `naxos ctl recover` or `naxos ctl \
         restore` again, which begins anew, or remove the directory"
    )]
    Recovering,
    /// The directory holds no data.
    #[error("the data directory holds no data, expected one in which a member of the cluster has run")]
    NoData,
    /// The directory holds files that do not belong to Naxos.
    #[error(
        "the data directory is not empty and not one of Naxos: found {found:?}, expected nothing or a file \"format\"; \
         choose another directory, or empty this one"
    )]
    Foreign {
        /// The name of one of these files.
        found: String,
    },
    /// The file `format` is damaged.
    #[error("the file \"format\" of the data directory is damaged: {0}; restore the directory from a backup")]
    Format(String),
    /// The directory was written by a release with another format version.
    #[error(
        "the data directory has format version {found}, this build reads version {known}: start the release that wrote it"
    )]
    Version {
        /// The version that was found.
        found: u64,
        /// The version that this build reads.
        known: u64,
    },
    /// The cluster has a version that this build does not understand.
    #[error(transparent)]
    Newer(#[from] NewerCluster),
    /// The file `founding` is damaged, or contradicts `format`.
    #[error(
        "the file \"founding\" of the data directory is damaged: {0}; restore the directory from a backup, or, if the \
         cluster never held data, empty it"
    )]
    Founding(String),
    /// The file `founding` was written by a release with another version of it.
    #[error(
        "the file \"founding\" has version {found}, this build reads version {known}: start the release that wrote it"
    )]
    FoundingVersion {
        /// The version that was found.
        found: u32,
        /// The version that this build reads.
        known: u32,
    },
    /// The directory belongs to the founding of another cluster, or of another seat.
    #[error(
        "the data directory takes part in the founding of cluster {:016x} as seat {:016x}, the \
         flags name cluster {:016x} and seat {:016x}: start with the earlier flags, or with an empty directory",
        .found.0.0, .found.1.0, .wanted.0.0, .wanted.1.0
    )]
    OtherFounding {
        /// The cluster and the seat that the file `founding` names.
        found: (ClusterId, MemberId),
        /// The cluster and the seat that were asked for.
        wanted: (ClusterId, MemberId),
    },
    /// The directory takes part in a founding that is not decided, so it has no log yet.
    #[error(
        "the data directory takes part in the founding of cluster {:016x}, which is not decided: start the member with \
         the --initial-cluster of this cluster, so that its seats decide",
        .cluster.0
    )]
    NotFounded {
        /// The cluster.
        cluster: ClusterId,
    },
    /// A segment was written by a release with another version of the segment format.
    #[error("{file} has format version {found}, this build reads version {known}: start the release that wrote it")]
    SegmentVersion {
        /// The path of the segment's file.
        file: String,
        /// The version that was found.
        found: u32,
        /// The version that this build reads.
        known: u32,
    },
    /// A file is damaged in a way that recovery cannot repair.
    #[error("{file} is damaged at byte {at}: expected {expected}; restore the directory from a backup")]
    Damaged {
        /// The path of the file.
        file: String,
        /// Byte position of the damage in the file.
        at: u64,
        /// What should have been there.
        expected: &'static str,
    },
    /// A preamble whose checksum matches, but whose content does not decode.
    #[error("{file} has a preamble at byte {at} that this build does not read: {source}")]
    Preamble {
        /// The path of the segment's file.
        file: String,
        /// Byte position of the preamble in the file.
        at: u64,
        /// Why it does not decode.
        source: DecodeError,
    },
    /// The MetaStore's records do not decode, or its replica cannot start.
    #[error("the metadata store's state in the journal does not decode, or its replica cannot start: {0}")]
    Meta(String),
    /// A setting is out of range.
    #[error("{field} must be {expected}")]
    Config {
        /// The name of the setting.
        field: &'static str,
        /// The range of allowed values.
        expected: &'static str,
    },
    /// A call to the operating system failed.
    #[error("{file}: {source}")]
    Io {
        /// The path of the file or directory.
        file: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// There is no room for the first batch of this start, or no segment for it could be made.
    #[error("the storage unit does not start: {0}")]
    Unit(#[from] naxos_proto::contracts::UnitError),
}

impl OpenError {
    pub(crate) fn io(file: impl Into<String>, source: io::Error) -> Self {
        OpenError::Io { file: file.into(), source }
    }
}
