//! A snapshot: a copy of the store's file that other nodes read.
//!
//! The copy belongs to no storage, so that the node that installs it can make it its own. It is not changed any more once
//! it is made. No later process uses it: the next start removes it.

use crc32fast::Hasher;
use naxos_proto::ids::Lsn;
use naxos_proto::seams::OpenMode;
use tokio_util::sync::CancellationToken;

use crate::local_store::copy::{COPY_PAUSE, Copied, CopyError, CopyWriter};
use crate::local_store::database::open_file;
use crate::local_store::frozen_writer::{CheckpointStats, FrozenWriter};
use crate::local_store::shared::Shared;
use crate::local_store::store_error::StoreError;

/// The name of the snapshot. There is one at a time.
pub const SNAPSHOT_FILE: &str = "snapshot.redb";
/// Bytes that are read for the checksum without a pause.
const CRC_SLICE_BYTES: u64 = 1 << 20;

/// What a finished snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// The next position to apply after it.
    pub cursor: Lsn,
    /// Its length.
    pub bytes: u64,
    /// The crc32 of all its bytes.
    pub crc: u32,
}

/// Makes a snapshot, on the checkpoint Worker.
pub(super) struct SnapshotMaker<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writer: &'a FrozenWriter,
    /// How many bytes of the disk the snapshot leaves free.
    pub(super) reserve_bytes: u64,
}

impl SnapshotMaker<'_> {
    /// Makes the snapshot. An earlier one is removed.
    pub(super) async fn run(
        &self,
        stop: &CancellationToken,
        observe: &impl Fn(CheckpointStats),
    ) -> Copied<SnapshotFile> {
        let Self { shared, writer, reserve_bytes } = *self;
        let copying = CopyWriter { shared, writer, reserve_bytes, name: SNAPSHOT_FILE, owner: None };
        let copy = match copying.copy(stop, observe).await? {
            Ok(copy) => copy,
            Err(e) => return Ok(Err(e)),
        };
        let cursor = copy.cursor();
        let made = match (copy.close().await, cursor) {
            (Ok(()), Ok((cursor, _))) => self.read_over(cursor, stop, observe).await?,
            (Err(e), _) | (_, Err(e)) => Err(e.into()),
        };
        if made.is_err() {
            copying.remove().await;
        }
        Ok(made)
    }

    /// Reads the finished file for its checksum. Due checkpoints are written meanwhile.
    async fn read_over(
        &self,
        cursor: Lsn,
        stop: &CancellationToken,
        observe: &impl Fn(CheckpointStats),
    ) -> Copied<SnapshotFile> {
        let io = |error| CopyError::from(StoreError::Io { file: SNAPSHOT_FILE, error });
        let file = match open_file(&*self.shared.disk, SNAPSHOT_FILE, OpenMode::Existing).await {
            Ok(file) => file,
            Err(e) => return Ok(Err(e.into())),
        };
        let bytes = match file.len().await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(io(error))),
        };
        let (mut hasher, mut at) = (Hasher::new(), 0);
        while at < bytes {
            if stop.is_cancelled() {
                return Ok(Err(CopyError::Stopping));
            }
            let mut pace = self.shared.pace();
            let len = CRC_SLICE_BYTES.min(bytes - at);
            match file.read_at(at, usize::try_from(len).expect("a slice is small")).await {
                Ok(slice) => hasher.update(&slice),
                Err(error) => return Ok(Err(io(error))),
            }
            at += len;
            pace.rest(COPY_PAUSE).await;
            if self.shared.is_old() {
                self.writer.freeze();
            }
            self.writer.write_frozen(observe).await?;
        }
        Ok(Ok(SnapshotFile { cursor, bytes, crc: hasher.finalize() }))
    }
}
