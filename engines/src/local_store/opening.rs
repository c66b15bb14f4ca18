//! Opening the local store's file. Checks that the file is there if it has to be, is whole, and belongs to this data
//! directory. A file is not changed before it has passed all these checks.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use naxos_proto::ids::{Lsn, StorageId};
use naxos_proto::seams::{Clock, Disk, OpenMode, Worker};

use crate::local_store::damage::{ROWS_WRITTEN, caught};
use crate::local_store::database::{CACHE_BYTES, Database, FILE_NEW, open_file};
use crate::local_store::paced_file::{Backend, HeldFile};
use crate::local_store::reader::StoreReader;
use crate::local_store::row_key::RowKey;
use crate::local_store::rows_ahead::RowsAhead;
use crate::local_store::snapshot::SNAPSHOT_FILE;
use crate::local_store::store::LocalStore;
use crate::local_store::store_error::{FILE, STORE_FORMAT, StoreError};

/// What a data directory says about its local store before the store is opened.
#[derive(Clone, Copy, Debug)]
pub struct StoreExpected {
    /// The storage id of the data directory.
    pub storage: StorageId,
    /// Whether the file must exist, because the log no longer holds the whole state.
    pub required: bool,
    /// The highest position that is lost from the log. The file must have applied it.
    pub lost: Option<Lsn>,
    /// The first position and the end of the log, if they are known. The file's cursor must lie between them.
    pub extent: Option<(Lsn, Lsn)>,
    /// A file of more bytes than this is not verified. It is [`VERIFIED_BYTES_MAX`], except in tests.
    pub verified_bytes_max: u64,
}

/// A file up to this size is verified completely before it is used, which takes a fraction of a second. A larger one
/// is not: a start has to be quick whatever the size, and building the index reads every row anyway.
pub const VERIFIED_BYTES_MAX: u64 = 256 << 20;

/// A store that was opened but not written to. What redb changed while it opened the file is held back in memory.
pub struct FoundStore {
    /// `None` only after `accept` has taken the store out.
    store: Option<LocalStore>,
}

impl LocalStore {
    /// Opens the store in the disk's root, or makes one, whatever storage it belongs to.
    pub async fn open(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        FoundStore::open(disk, clock, None).await?.accept().await
    }

    /// As [`Self::open`], but checks the file against what its data directory says. If the file is refused, here or by
    /// the caller that loads its rows before [`FoundStore::accept`], it was not changed.
    pub async fn open_expected(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        expected: StoreExpected,
    ) -> Result<FoundStore, StoreError> {
        FoundStore::open(disk, clock, Some(expected)).await
    }
}

impl FoundStore {
    /// Opens the file, or makes one. See [`LocalStore::open_expected`].
    pub(crate) async fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        expected: Option<StoreExpected>,
    ) -> Result<Self, StoreError> {
        let database = open(&*disk, expected).await?;
        Ok(Self { store: Some(LocalStore::over(database, disk, clock)?) })
    }

    /// Runs `look` on the rows. If the file was not verified, damaged rows can make redb or `look` panic; this turns
    /// such a panic into an error.
    pub fn load<T>(&self, look: impl FnOnce(&StoreReader) -> T) -> Result<T, StoreError> {
        let store = self.store.as_ref().expect("only `accept` takes the store out, and it consumes the FoundStore");
        let reader = store.reader();
        caught(ROWS_WRITTEN, || Ok(look(&reader)))
    }

    /// The rows from `from` on and below `below`. `worker` reads ahead while the caller uses the first ones.
    pub fn rows_ahead(&self, worker: &dyn Worker, from: RowKey, below: RowKey) -> RowsAhead {
        let store = self.store.as_ref().expect("only `accept` takes the store out, and it consumes the FoundStore");
        let database = Arc::clone(&store.shared.database.read());
        RowsAhead::start(worker, database, from, below)
    }

    /// Writes what was held back, and removes copies that an earlier process left. From then on the store is in use.
    pub async fn accept(mut self) -> Result<LocalStore, StoreError> {
        // The changes that are written here include the whole header of the file. This matters if a sync of the header
        // failed in an earlier process. Then the commit that this process read may not be on the disk yet, although
        // from now on the log may be trimmed up to it. Everything else that the commit refers to was synced before its
        // header.
        let store = self.store.take().expect("`accept` is called once, because it consumes the FoundStore");
        let database = Arc::clone(&store.shared.database.read());
        database.release_all(None).await?;
        for unfinished in [FILE_NEW, SNAPSHOT_FILE] {
            Database::remove_file(&*store.shared.disk, unfinished).await?;
        }
        Ok(store)
    }
}

impl Drop for FoundStore {
    fn drop(&mut self) {
        // The store is not closed. To close a file redb begins a transaction, which panics on a damaged file, possibly
        // twice in a row. The leaked memory does not matter, because a start that refuses its store is rare, and as a
        // rule it ends the process.
        std::mem::forget(self.store.take());
    }
}

/// Opens the file. If there is none, makes it under another name and renames it.
async fn open(disk: &dyn Disk, expected: Option<StoreExpected>) -> Result<Database, StoreError> {
    let names = disk.list("").await.map_err(|error| StoreError::Io { file: FILE, error })?;
    if !names.iter().any(|n| n == FILE) {
        if expected.is_some_and(|e| e.required) {
            return Err(StoreError::Missing);
        }
        let made = Database::create(disk, FILE_NEW, expected.map(|e| e.storage)).await?;
        drop(made);
        Database::give_name(disk, FILE_NEW).await?;
        Database::sync_name(disk).await?;
    }
    open_database(disk, FILE, expected).await
}

/// Opens the file `name`, whose changes are held back.
pub(super) async fn open_database(
    disk: &dyn Disk,
    name: &'static str,
    expected: Option<StoreExpected>,
) -> Result<Database, StoreError> {
    let file = open_file(disk, name, OpenMode::Existing).await?;
    let len = file.len().await.map_err(|error| StoreError::Io { file: name, error })?;
    if len == 0 {
        return Err(StoreError::Damaged { expected: "a database", found: "an empty file".to_owned() });
    }
    let held = HeldFile::new(file.blocking(), len);
    let verify = len <= expected.map_or(VERIFIED_BYTES_MAX, |e| e.verified_bytes_max);
    let checked = caught(WHOLE, || {
        let db = whole(Backend(held.clone()), verify)?;
        // Not closed on an error, as in `FoundStore::drop`.
        let opened = ManuallyDrop::new(Database { db, held, file: Arc::clone(&file) });
        check(&opened, expected)?;
        Ok(ManuallyDrop::into_inner(opened))
    });
    file.settle().await;
    checked
}

/// Checks that the file is of this format and of this data directory, that it has applied what the log has lost, and
/// that its cursor lies within the log.
fn check(opened: &Database, expected: Option<StoreExpected>) -> Result<(), StoreError> {
    let found = opened.meta("format")?.unwrap_or(0);
    if found != STORE_FORMAT {
        return Err(StoreError::Version { found });
    }
    if let (Some(found), Some(expected)) = (opened.owner()?, expected.map(|e| e.storage))
        && found != expected
    {
        return Err(StoreError::Foreign { found: found.0, expected: expected.0 });
    }
    let (cursor, _) = opened.cursor()?;
    if let Some(at) = expected.and_then(|e| e.lost).filter(|at| *at >= cursor) {
        return Err(StoreError::Lost { at, cursor });
    }
    match expected.and_then(|e| e.extent) {
        Some((_, end)) if cursor > end => Err(StoreError::Ahead { end, cursor }),
        Some((begin, _)) if cursor < begin => Err(StoreError::Behind { begin, cursor }),
        _ => Ok(()),
    }
}

pub(super) const WHOLE: &str = "a redb database whose checksums hold";

fn damaged(found: String) -> StoreError {
    StoreError::Damaged { expected: WHOLE, found }
}

/// Opens the database of a file. If `verify`, checks that every page has the checksum that it was written with.
fn whole(backend: Backend, verify: bool) -> Result<redb::Database, StoreError> {
    let opened = redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend);
    let mut db = opened.map_err(|e| damaged(e.to_string()))?;
    // redb repairs some damage by falling back to an older commit. That would be good enough, because the log has the
    // later entries. It does not happen here: all our durable commits are two-phase, and redb keeps no older commit
    // after one of those.
    if verify {
        db.check_integrity().map_err(|e| damaged(e.to_string()))?;
    }
    Ok(db)
}
