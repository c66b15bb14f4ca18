//! [`MadeStore`]: a store that is made from given rows, and not by applying a log.

use naxos_proto::ids::Lsn;
use naxos_proto::seams::Disk;

use crate::local_store::checksum::RunningChecksum;
use crate::local_store::database::Database;
use crate::local_store::rows_ahead::Row;
use crate::local_store::store_error::StoreError;

/// Bytes of rows that are written in one transaction.
const SLICE_BYTES: usize = 1 << 20;
/// One in this many transactions is durable. Until then redb keeps the pages of a transaction in memory.
const SLICES_PER_SYNC: u32 = 32;

/// See the module. The file is complete and durable once it has been installed
/// ([`install_snapshot`](super::install::install_snapshot)).
pub struct MadeStore {
    database: Database,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
    slices: u32,
    checksum: RunningChecksum,
}

impl MadeStore {
    /// Begins a store in the file `name`. A file that has the name already is removed. The store belongs to no storage yet.
    pub async fn create(disk: &dyn Disk, name: &'static str) -> Result<Self, StoreError> {
        let database = Database::create(disk, name, None).await?;
        let checksum = RunningChecksum::after(0);
        Ok(Self { database, rows: Vec::new(), bytes: 0, slices: 0, checksum })
    }

    /// Adds a row. The rows must come in the order of their names.
    pub async fn put(&mut self, (name, value): Row) -> Result<(), StoreError> {
        self.checksum.put(&name, &value);
        self.bytes += name.key.len() + value.len();
        self.rows.push((name.encode().to_vec(), value.to_vec()));
        if self.bytes >= SLICE_BYTES { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), StoreError> {
        self.slices += 1;
        let (rows, durable) = (std::mem::take(&mut self.rows), self.slices.is_multiple_of(SLICES_PER_SYNC));
        self.bytes = 0;
        let written = self.database.write_rows(&rows, durable);
        self.database.settle().await;
        written?;
        self.database.release_all(None).await
    }

    /// Completes the store and closes the file. The store then says that it has applied the log up to `cursor`.
    pub async fn finish(mut self, cursor: Lsn) -> Result<(), StoreError> {
        self.write().await?;
        self.database.write_cursor(cursor, self.checksum.value(), None)?;
        self.database.release_all(None).await?;
        self.database.close().await
    }
}
