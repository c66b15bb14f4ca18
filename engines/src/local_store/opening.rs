//! Opening the local store's file: that it is there when it has to be, is whole, and belongs to this data directory.
//! Nothing is written before all that is known.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use naxos_proto::ids::{Lsn, StorageId};
use naxos_proto::seams::{Clock, Disk, OpenMode, Worker};

use crate::local_store::damage::{ROWS_WRITTEN, caught};
use crate::local_store::database::{CACHE_BYTES, Database, FILE, STORE_FORMAT, StoreError, open_file};
use crate::local_store::paced_file::{Backend, HeldFile};
use crate::local_store::reader::StoreReader;
use crate::local_store::row_key::RowKey;
use crate::local_store::rows_ahead::RowsAhead;
use crate::local_store::store::LocalStore;

/// What a data directory knows of its local store before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct StoreExpected {
    /// Whose data directory it is.
    pub storage: StorageId,
    /// Whether there must be a file: the log no longer tells everything.
    pub required: bool,
    /// The highest position of the log that nobody has any more: the file must have applied it.
    pub lost: Option<Lsn>,
    /// Where the log begins and ends, if that is known: the file has applied up to there or a position between.
    pub extent: Option<(Lsn, Lsn)>,
    /// See [`VERIFIED_BYTES_MAX`].
    pub verified_bytes_max: u64,
}

/// A file up to this size is read as a whole before it is used, which takes a fraction of a second. A larger one is not:
/// a start has to be quick whatever the size, and the index is built from every row anyway.
pub const VERIFIED_BYTES_MAX: u64 = 256 << 20;

/// A store that was opened and not written to yet: what redb changed while it opened the file is held back.
pub struct FoundStore {
    /// Taken when accepted.
    store: Option<LocalStore>,
}

impl LocalStore {
    /// Opens or makes the store in the disk's root, whoever wrote it.
    pub async fn open(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        FoundStore::open(disk, clock, None).await?.accept().await
    }

    /// The same, of a data directory that tells what to expect. A file that is refused, here or by who loads its rows
    /// before [`FoundStore::accept`], is as it was.
    pub async fn open_expected(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        expected: StoreExpected,
    ) -> Result<FoundStore, StoreError> {
        FoundStore::open(disk, clock, Some(expected)).await
    }
}

impl FoundStore {
    /// Opens the file, or makes one; see [`LocalStore::open_expected`].
    pub(crate) async fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        expected: Option<StoreExpected>,
    ) -> Result<Self, StoreError> {
        let database = open(&*disk, expected).await?;
        Ok(Self { store: Some(LocalStore::over(database, disk, clock)?) })
    }

    /// What `look` makes of the rows. Nobody may have verified the file, and a row that is not what was written makes redb
    /// or `look` panic: that is an error here.
    pub fn load<T>(&self, look: impl FnOnce(&StoreReader) -> T) -> Result<T, StoreError> {
        let store = self.store.as_ref().expect("taken only by who consumes this");
        let reader = store.reader();
        caught(ROWS_WRITTEN, || Ok(look(&reader)))
    }

    /// The rows from `from` on and below `below`, which `worker` reads while what came first is made use of.
    pub fn rows_ahead(&self, worker: &dyn Worker, from: RowKey, below: RowKey) -> RowsAhead {
        let store = self.store.as_ref().expect("taken only by who consumes this");
        let database = Arc::clone(&store.shared.database.read());
        RowsAhead::start(worker, database, from, below)
    }

    /// Writes what was held back, and removes what an unfinished copy has left. The store goes on from here.
    pub async fn accept(mut self) -> Result<LocalStore, StoreError> {
        // Among the changes is the header, whole: if a sync of it has failed in an earlier life, what was read here, and
        // lets the log be trimmed, is on the disk only from now on. All else that a commit names was synced before its
        // header.
        let store = self.store.take().expect("taken only here");
        let database = Arc::clone(&store.shared.database.read());
        database.release_all(None).await?;
        Database::remove_unfinished(&*store.shared.disk).await?;
        Ok(store)
    }
}

impl Drop for FoundStore {
    fn drop(&mut self) {
        // Not closed: redb begins a transaction to close a file, which panics where that is damaged, twice in a row even.
        // A start that refuses its store ends the process.
        std::mem::forget(self.store.take());
    }
}

/// Opens the file, or makes it under another name and renames it.
async fn open(disk: &dyn Disk, expected: Option<StoreExpected>) -> Result<Database, StoreError> {
    let names = disk.list("").await.map_err(|error| StoreError::Io { file: FILE, error })?;
    if !names.iter().any(|n| n == FILE) {
        if expected.is_some_and(|e| e.required) {
            return Err(StoreError::Missing);
        }
        let made = Database::create(disk, expected.map(|e| e.storage)).await?;
        drop(made);
        Database::give_name(disk).await?;
        Database::sync_name(disk).await?;
    }
    open_existing(disk, expected).await
}

async fn open_existing(disk: &dyn Disk, expected: Option<StoreExpected>) -> Result<Database, StoreError> {
    let file = open_file(disk, FILE, OpenMode::Existing).await?;
    let len = file.len().await.map_err(|error| StoreError::Io { file: FILE, error })?;
    if len == 0 {
        return Err(StoreError::Damaged { expected: "a database", found: "an empty file".to_owned() });
    }
    let held = HeldFile::new(file.blocking(), len);
    let verify = len <= expected.map_or(VERIFIED_BYTES_MAX, |e| e.verified_bytes_max);
    let checked = caught(WHOLE, || {
        let db = whole(Backend(held.clone()), verify)?;
        // As in `FoundStore::drop`.
        let opened = ManuallyDrop::new(Database { db, held, file: Arc::clone(&file) });
        check(&opened, expected)?;
        Ok(ManuallyDrop::into_inner(opened))
    });
    file.settle().await;
    checked
}

/// That the file is one of this release and of this data directory, and has what the log has lost.
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

const WHOLE: &str = "a redb database whose checksums hold";

fn damaged(found: String) -> StoreError {
    StoreError::Damaged { expected: WHOLE, found }
}

/// The database of a file; if `verify`, every page of it has the checksum that it was written with.
fn whole(backend: Backend, verify: bool) -> Result<redb::Database, StoreError> {
    let opened = redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend);
    let mut db = opened.map_err(|e| damaged(e.to_string()))?;
    // An older commit that redb falls back to would do, as the log has the rest; but after a commit in two phases, and
    // ours are all that, there is none.
    if verify {
        db.check_integrity().map_err(|e| damaged(e.to_string()))?;
    }
    Ok(db)
}
