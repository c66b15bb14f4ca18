//! redb's view of a file of the Disk seam.

use std::io;
use std::sync::Arc;

use naxos_proto::seams::BlockingFile;

use super::held_file::HeldFile;

/// A file of the Disk seam, as redb uses it.
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Arc<HeldFile>);

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}
