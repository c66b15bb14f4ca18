//! [`LocalStore`]: the writer of a local store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use naxos_proto::ids::Lsn;
use naxos_proto::seams::{Clock, Disk};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::local_store::backlog::Backlog;
use crate::local_store::checkpoint::Checkpointer;
use crate::local_store::database::Database;
use crate::local_store::delta::Delta;
use crate::local_store::reader::StoreReader;
use crate::local_store::shared::Shared;
use crate::local_store::store_error::StoreError;
use crate::local_store::txn::Txn;

/// The writer of a local store. There is only one.
pub struct LocalStore {
    pub(super) shared: Arc<Shared>,
}

impl LocalStore {
    /// A store that uses an open database.
    pub(super) fn over(database: Database, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let (cursor, checksum) = database.cursor()?;
        let differs = database.differs()?.map_or(0, |at| at.0);
        let shared = Shared {
            open: RwLock::new(Delta::default()),
            frozen: RwLock::new(Vec::new()),
            file_bytes: AtomicU64::new(database.file_bytes()),
            database: RwLock::new(Arc::new(database)),
            boundary: Mutex::new(()),
            applied: AtomicU64::new(cursor.0),
            persisted: AtomicU64::new(cursor.0),
            checksum: AtomicU64::new(checksum),
            marks: Mutex::default(),
            differs: AtomicU64::new(differs),
            differs_unwritten: AtomicBool::new(false),
            differs_durable: AtomicBool::new(differs > 0),
            opened_at: Mutex::new(clock.now()),
            clock,
            disk,
            frozen_some: Notify::new(),
            freeze_wanted: Notify::new(),
            moved: Notify::new(),
            backlog: Backlog::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Starts the transaction of one entry.
    pub fn begin(&mut self) -> Txn<'_> {
        Txn::new(&self.shared)
    }

    /// The next position to apply.
    pub fn applied(&self) -> Lsn {
        self.shared.applied()
    }

    /// A reader for any thread.
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(Arc::clone(&self.shared))
    }

    /// The body of the checkpoint Worker. When it copies the file, it leaves `reserve_bytes` of the disk free.
    pub fn checkpointer(&self, reserve_bytes: u64) -> Checkpointer {
        Checkpointer::new(Arc::clone(&self.shared), reserve_bytes)
    }
}
