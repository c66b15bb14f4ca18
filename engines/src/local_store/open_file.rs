//! [`OpenFile`]: the file of a local store that is in use.

use std::sync::Arc;

use crate::local_store::paced_file::HeldFile;

/// The file of a local store that is in use. It keeps neither the store nor redb alive.
pub struct OpenFile(Arc<HeldFile>);

impl OpenFile {
    pub(super) fn new(held: &Arc<HeldFile>) -> Self {
        Self(Arc::clone(held))
    }

    /// Lets nothing more be written into the file. When the last reader of a store is gone, redb writes once more, and by
    /// then another start may have opened the file. So call this after the store is closed and before the data directory is
    /// unlocked. If a reader is left, the file is then like that of a process that was killed.
    pub fn end_writes(self) {
        if let Err(error) = self.0.hold() {
            tracing::warn!(%error, "the local store's file cannot be closed for writing");
        }
    }
}
