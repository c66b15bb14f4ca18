//! [`StoreError`]: why the local store cannot be used.

use std::io::ErrorKind;

use naxos_proto::ids::Lsn;

/// Name of the store's file in the data directory.
pub const FILE: &str = "store.redb";
/// Version of the file's tables and rows. The file holds it in its table `meta`.
pub const STORE_FORMAT: u64 = 2;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file call failed.
    #[error("{file}: {error}")]
    Io {
        /// The name of the file.
        file: &'static str,
        /// The error of the operating system.
        error: std::io::Error,
    },
    /// redb returned an error.
    #[error("{FILE}: {0}")]
    Redb(Box<redb::Error>),
    /// The file has a format of another version.
    #[error(
        "{FILE} has format version {found}, this build reads version {STORE_FORMAT}: start the release that wrote it"
    )]
    Version {
        /// The version that the file has.
        found: u64,
    },
    /// The Worker that reads rows ended before it came to the last one.
    #[error("{FILE}: the thread that reads it has ended; the log says why")]
    Unread,
    /// The file does not hold what was written to it.
    #[error("{FILE} is damaged: expected {expected}, found {found}; restore the data directory from a backup")]
    Damaged {
        /// What should have been there.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The file is gone, and the log alone does not hold all that was in it.
    #[error(
        "{FILE} is missing, and the log was trimmed behind it: expected the file that belongs to this journal; restore \
         the data directory from a backup"
    )]
    Missing,
    /// The log is damaged at a position that the file has not applied yet.
    #[error("{FILE} has applied the log up to {cursor}, expected beyond {at}, where the log is damaged")]
    Lost {
        /// The damaged position of the log.
        at: Lsn,
        /// The next position that the file would apply.
        cursor: Lsn,
    },
    /// The file has applied more than the log has.
    #[error(
        "{FILE} has applied the log up to {cursor}, expected at most {end}, where the journal ends: the journal has lost \
         its end, or is older than the file, and the two are not a pair"
    )]
    Ahead {
        /// The end of the log.
        end: Lsn,
        /// The next position that the file would apply.
        cursor: Lsn,
    },
    /// The log is trimmed, and the file has not applied all that was trimmed.
    #[error(
        "{FILE} has applied the log up to {cursor}, expected {begin} or more, since the log is trimmed up to there: the file \
         is older than the journal, and the two are not a pair"
    )]
    Behind {
        /// The first position that the log still has.
        begin: Lsn,
        /// The next position that the file would apply.
        cursor: Lsn,
    },
    /// The file belongs to another data directory.
    #[error(
        "{FILE} belongs to storage {found:016x}, expected {expected:016x}, whose journal this is: put back the file of \
         this data directory"
    )]
    Foreign {
        /// The storage id in the file.
        found: u64,
        /// The storage id of this data directory.
        expected: u64,
    },
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(e: E) -> Self {
        StoreError::Redb(Box::new(e.into()))
    }
}

impl StoreError {
    /// Turns an error of redb into [`StoreError::Damaged`], unless the disk itself failed: if the disk could read the
    /// file and redb still fails, the file is damaged.
    pub(crate) fn or_damaged(self, expected: &'static str) -> Self {
        let by_disk = |e: &redb::Error| matches!(e, redb::Error::Io(e) if e.kind() != ErrorKind::UnexpectedEof);
        match self {
            StoreError::Redb(e) if !by_disk(&e) => StoreError::Damaged { expected, found: e.to_string() },
            e => e,
        }
    }
}
