//! [`RestoreError`]: why nothing was restored.

use naxos_engines::local_store::StoreError;
use naxos_log_server::OpenError;

use crate::backup::BackupError;
use crate::node::recover::RecoverError;

/// Why the restore has failed. No server starts on what the restore has left. There is one exception: if only the move
/// of the complete directory to its place has failed, the next start of a server or the next run of the command
/// finishes the move.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// The file cannot be used. The fields are its path and the reason.
    #[error("{0}: {1}")]
    File(String, BackupError),
    /// The file is of a cluster with authentication.
    #[error(
        "{0}: authentication is on in it, and Naxos has none yet, so every client could read and write everything; with \
         --drop-auth it is restored without users and roles"
    )]
    Auth(String),
    /// The revision would be too high.
    #[error("--bump-revision {amount}: revision {revision} cannot be raised by it, expected at most {max} in all", max = i64::MAX)]
    Revision {
        /// The revision in the file.
        revision: i64,
        /// By how much it should rise.
        amount: u64,
    },
    /// The place for the new directory has something in it. The fields are its path and the name of what was found.
    #[error("--data-dir {0}: it is not empty (it has {1:?}), expected an empty directory or one that is not there yet")]
    NotEmpty(String, String),
    /// There is no room for the new directory.
    #[error("{free} bytes are free for the new directory, {needed} are needed")]
    NoRoom {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The new directory cannot be made.
    #[error("the new data directory cannot be made: {0}")]
    New(#[from] OpenError),
    /// Its local store cannot be written.
    #[error("the local store of the new data directory: {0}")]
    Store(#[from] StoreError),
    /// The new directory cannot be moved to its place, or a call to the operating system failed.
    #[error(transparent)]
    Place(RecoverError),
}

impl From<RecoverError> for RestoreError {
    fn from(error: RecoverError) -> Self {
        match error {
            RecoverError::NotEmpty(place, found) => Self::NotEmpty(place, found),
            error => Self::Place(error),
        }
    }
}
