//! Opening the local store's file: that it is there when it has to be, is whole, and belongs to this data directory.
//! Nothing is written before all that is known.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use naxos_proto::ids::{Lsn, StorageId};
use naxos_proto::seams::{Disk, OpenMode};

use crate::local_store::backend::Backend;
use crate::local_store::database::{CACHE_BYTES, Database, FILE, STORE_FORMAT, StoreError, open_file};
use crate::local_store::held::HeldFile;

/// What a data directory knows of its local store before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct StoreExpected {
    /// Whose data directory it is.
    pub storage: StorageId,
    /// Whether there must be a file: the log no longer tells everything.
    pub required: bool,
    /// The highest position of the log that nobody has any more: the file must have applied it.
    pub lost: Option<Lsn>,
}

/// A file up to this size is read as a whole before it is used, which takes a fraction of a second. A larger one is not:
/// a start has to be quick whatever the size, and the index is built from every row anyway.
const VERIFIED_BYTES_MAX: u64 = 256 << 20;

/// Opens the file, or makes it under another name and renames it.
pub(crate) async fn open(disk: &dyn Disk, expected: Option<StoreExpected>) -> Result<Database, StoreError> {
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
    let io = |error| StoreError::Io { file: FILE, error };
    let len = file.len().await.map_err(io)?;
    if len == 0 {
        return Err(StoreError::Damaged { expected: "a database", found: "an empty file".to_owned() });
    }
    let blocking = file.blocking();
    let held = HeldFile::new(Arc::clone(&blocking));
    let backend = Backend::new(held.clone());
    let verify = len <= VERIFIED_BYTES_MAX;
    let checked = caught(|| whole(backend, verify));
    file.settle().await;
    let db = checked?;
    let opened = Database { db, blocking, file };
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
    // Among the changes is the header, whole: if a sync of it has failed in an earlier life, what was read here, and lets
    // the log be trimmed, is on the disk only from now on. All else that a commit names was synced before its header.
    let released = held.release();
    opened.settle().await;
    released.map_err(io)?;
    Ok(opened)
}

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread only says that a file is damaged: it is no bug, and is reported as an error.
pub fn catches_panics() -> bool {
    CAUGHT.get()
}

/// redb trusts a few fields that no checksum covers, and panics when they contradict the rest.
fn caught<T>(look: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    CAUGHT.set(true);
    let looked = catch_unwind(AssertUnwindSafe(look));
    CAUGHT.set(false);
    looked.unwrap_or_else(|_| Err(damaged("fields that contradict one another".to_owned())))
}

fn damaged(found: String) -> StoreError {
    StoreError::Damaged { expected: "a redb database whose checksums hold", found }
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
