//! Defragment: copies the file in order to give the space of deleted rows back to the disk. If the copy fails, the node
//! goes on with the old file.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use crate::local_store::copy::{Copied, CopyError, CopyWriter};
use crate::local_store::database::{Database, FILE_NEW};
use crate::local_store::frozen_writer::{CheckpointStats, FrozenWriter};
use crate::local_store::shared::Shared;

/// A defragmentation, which the checkpoint Worker runs.
pub(super) struct Defragment<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writer: &'a FrozenWriter,
    /// How many bytes of the disk a copy leaves free.
    pub(super) reserve_bytes: u64,
}

impl Defragment<'_> {
    /// Replaces the file with a copy. If that fails, removes the unfinished copy.
    pub(super) async fn run(&self, stop: &CancellationToken, observe: &impl Fn(CheckpointStats)) -> Copied<()> {
        let disk = &*self.shared.disk;
        let owner = match self.shared.database.read().owner() {
            Ok(owner) => owner,
            Err(e) => return Ok(Err(e.into())),
        };
        let Self { shared, writer, reserve_bytes } = *self;
        let copying = CopyWriter { shared, writer, reserve_bytes, name: FILE_NEW, owner };
        let copy = match copying.copy(stop, observe).await? {
            Ok(copy) => copy,
            Err(e) => return Ok(Err(e)),
        };
        if let Err(e) = Database::give_name(disk, FILE_NEW).await {
            copying.remove().await;
            return Ok(Err(CopyError::from(e)));
        }
        // The old file has lost its name, so nothing may be written to it any more. An error here ends the node.
        Database::sync_name(disk).await?;
        self.shared.file_bytes.store(copy.file_bytes(), Ordering::Relaxed);
        *self.shared.database.write() = Arc::new(copy);
        Ok(Ok(()))
    }
}
