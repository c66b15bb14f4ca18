//! [`MappedFile`]: the bytes of a file, mapped into memory. The system reads them when they are looked at, and may forget
//! them again, so a large file needs no memory of its own.

use std::fs::File;
use std::path::Path;

use memmap2::{Advice, Mmap};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::backup_error::BackupError;

/// See the module. The file stays locked against an etcd server that would write to it.
#[derive(Debug)]
pub(crate) struct MappedFile {
    map: Mmap,
    /// Holds the lock.
    _file: File,
}

impl MappedFile {
    /// Maps the file at `path`. Refuses a file on which a server runs.
    pub(crate) fn open(path: &Path) -> Result<Self, BackupError> {
        let file = File::open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(BackupError::InUse),
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
        if file.metadata()?.len() == 0 {
            return Err(BackupError::Empty);
        }
        #[expect(unsafe_code, reason = "a mapping cannot be made without it")]
        // SAFETY: The mapping is only read, and all reads are of plain bytes. A program that changes the file meanwhile could
        // change these bytes under us. An etcd server cannot, because of the lock; an operator who writes into a backup that
        // is being restored gets a wrong result or a crash of this command, which has no other state.
        let map = unsafe { Mmap::map(&file) }?;
        // This is only a hint, so it may fail.
        let _ = map.advise(Advice::Sequential);
        Ok(Self { map, _file: file })
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }
}
