//! redb's view of a file of the Disk seam.
//!
//! Syncs whenever [`SYNC_BYTES`] were written since the last sync: the journal shares the device, and a sync behind
//! 200 MiB of dirty pages makes it wait 80 ms, behind 8 MiB 5 ms.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use naxos_proto::seams::BlockingFile;

/// Bytes written between two syncs.
const SYNC_BYTES: u64 = 8 << 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Backend {
    file: Arc<dyn BlockingFile>,
    unsynced: AtomicU64,
}

impl Backend {
    pub(crate) fn new(file: Arc<dyn BlockingFile>) -> Self {
        Self { file, unsynced: AtomicU64::new(0) }
    }
}

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.unsynced.store(0, Ordering::Relaxed);
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, data)?;
        let written = data.len() as u64;
        if self.unsynced.fetch_add(written, Ordering::Relaxed) + written >= SYNC_BYTES {
            self.sync_data()?;
        }
        Ok(())
    }
}
