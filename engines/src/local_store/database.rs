//! The redb file: all rows, the cursor and the checksum. A checkpoint changes the three in one transaction.

use std::io::ErrorKind;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_proto::ids::{Lsn, StorageId};
use naxos_proto::seams::{BlockingFile, Disk, File, OpenMode};
use redb::{CursorError, Durability, ReadableDatabase, ReadableTableMetadata, TableDefinition};

use crate::local_store::backlog::Pace;
use crate::local_store::delta::FrozenDelta;
use crate::local_store::paced_file::{Backend, HeldFile, Left};
use crate::local_store::row_key::{RowKey, TABLE_NAME_BYTES};
use crate::local_store::store_error::{FILE, STORE_FORMAT, StoreError};

/// Name of the file until it is complete. A crash while the file is made leaves an incomplete file under this name
/// only, because the rename to the final name is atomic.
pub(crate) const FILE_NEW: &str = "store.redb.new";
/// Size of redb's own cache. Its default is 1 GiB.
pub(crate) const CACHE_BYTES: usize = 16 << 20;
/// Rows written without a pause. They take about half a millisecond, less than a time slice of the scheduler.
const SLICE_ROWS: usize = 512;
/// Least pause after [`SLICE_ROWS`] rows, so that client requests that wait for a core can run.
const SLICE_PAUSE: Duration = Duration::from_millis(1);
/// Least pause between two pieces of the pages that a transaction wrote, so that the syncs of the log server's journal
/// go first.
const PIECE_PAUSE: Duration = Duration::from_millis(2);

/// An iterator over all rows. It sees the rows as they were when it was made.
pub(crate) type Walk = redb::Range<'static, &'static [u8], &'static [u8]>;

type Rows<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// A changed row.
trait Change {
    /// The row's name as redb stores it.
    fn name(&self) -> impl AsRef<[u8]>;
    /// The new value; `None` if the row is deleted.
    fn value(&self) -> Option<&[u8]>;
}

impl Change for (&RowKey, &Option<Bytes>) {
    fn name(&self) -> impl AsRef<[u8]> {
        self.0.encode()
    }

    fn value(&self) -> Option<&[u8]> {
        self.1.as_deref()
    }
}

impl Change for &(Vec<u8>, Vec<u8>) {
    fn name(&self) -> impl AsRef<[u8]> {
        &self.0
    }

    fn value(&self) -> Option<&[u8]> {
        Some(&self.1)
    }
}

/// Writes at most `max` changes in ascending order. Returns false when there are no more.
///
/// For a separate insert redb searches for the row's place. After one such insert, the next rows are inserted through a
/// cursor that points to the gap after it, as long as they belong in that gap. Usually they do, because most rows are
/// new and have rising revisions as names. An insert through the cursor costs a third of a separate one.
fn write_some<C: Change>(
    table: &mut Rows<'_>,
    changes: &mut Peekable<impl Iterator<Item = C>>,
    max: usize,
) -> Result<bool, StoreError> {
    let mut written = 0;
    while written < max {
        let Some(change) = changes.next() else { return Ok(false) };
        written += 1;
        let name = change.name();
        let Some(value) = change.value() else {
            table.remove(name.as_ref())?;
            continue;
        };
        table.insert(name.as_ref(), value)?;
        if changes.peek().is_none_or(|next| next.value().is_none()) {
            continue;
        }
        let mut gap = table.upper_bound_mut(Bound::Included(name.as_ref()))?;
        while written < max
            && let Some(next) = changes.peek()
            && let Some(value) = next.value()
        {
            let inserted = gap.insert_before(next.name().as_ref(), value);
            match inserted {
                Ok(()) => changes.next(),
                Err(CursorError::UnorderedKey) => break,
                Err(e) => return Err(e.into()),
            };
            written += 1;
        }
        gap.close()?;
    }
    Ok(true)
}

/// Writes or removes the note that the store differs from those of the other replicas.
fn write_differs(meta: &mut redb::Table<'_, &'static str, u64>, differs: Option<Lsn>) -> Result<(), StoreError> {
    match differs {
        Some(at) => meta.insert("differs", at.0)?,
        None => meta.remove("differs")?,
    };
    Ok(())
}

/// The table of rows as it was at one moment. See [`Database::fix`].
pub(crate) type FixedTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The redb file; see the module.
pub(crate) struct Database {
    pub(crate) db: redb::Database,
    /// The file through which redb reads and writes.
    pub(crate) held: Arc<HeldFile>,
    /// The same file, for [`Self::settle`].
    pub(crate) file: Arc<dyn File>,
}

/// Writes some of the changes that `held` holds back. Returns what is left.
async fn release_some(held: &HeldFile, file: &dyn File) -> Result<Left, StoreError> {
    let released = held.release_some();
    file.settle().await;
    released.map_err(|error| StoreError::Io { file: FILE, error })
}

fn no_room() -> StoreError {
    StoreError::Io { file: FILE, error: ErrorKind::StorageFull.into() }
}

pub(crate) async fn open_file(
    disk: &dyn Disk,
    name: &'static str,
    mode: OpenMode,
) -> Result<Arc<dyn File>, StoreError> {
    disk.open(name, mode).await.map_err(|error| StoreError::Io { file: name, error })
}

/// The beginning that the encoded names of all rows of a table have in common: store and table.
fn table_of(name: &[u8]) -> &[u8] {
    &name[..TABLE_NAME_BYTES]
}

impl Database {
    /// Creates an empty database that belongs to `owner`. A file that has the name already is removed.
    pub(crate) async fn create(
        disk: &dyn Disk,
        name: &'static str,
        owner: Option<StorageId>,
    ) -> Result<Self, StoreError> {
        Self::remove_file(disk, name).await?;
        let file = open_file(disk, name, OpenMode::CreateNew).await?;
        let held = HeldFile::new(file.blocking(), 0);
        let db = redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(Backend(held.clone()))?;
        let made = Self { db, held, file };
        let write = made.write()?;
        {
            let mut meta = write.open_table(META)?;
            meta.insert("format", STORE_FORMAT)?;
            if let Some(owner) = owner {
                meta.insert("storage", owner.0)?;
            }
        }
        write.open_table(ROWS)?;
        write.commit()?;
        made.release_all(None).await?;
        Ok(made)
    }

    /// Removes the file `name`, if there is one.
    pub(crate) async fn remove_file(disk: &dyn Disk, name: &'static str) -> Result<(), StoreError> {
        let io = |error| StoreError::Io { file: name, error };
        let names = disk.list("").await.map_err(io)?;
        if names.iter().any(|n| n == name) {
            disk.remove(name).await.map_err(io)?;
        }
        Ok(())
    }

    /// Gives the file `name` the name of the store's file, not durably yet. An open handle of the file stays usable.
    pub(crate) async fn give_name(disk: &dyn Disk, name: &'static str) -> Result<(), StoreError> {
        disk.rename(name, FILE).await.map_err(|error| StoreError::Io { file: name, error })
    }

    /// Closes the file. When this returns, all changes that were held in memory are written to the file, but the last
    /// of them may not be durable.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        let Self { db, held, file } = self;
        drop(db);
        loop {
            match release_some(&held, &*file).await? {
                Left::Nothing => return Ok(()),
                Left::More => {}
                Left::NoRoom => return Err(no_room()),
            }
        }
    }

    /// Makes the name durable.
    pub(crate) async fn sync_name(disk: &dyn Disk) -> Result<(), StoreError> {
        disk.sync_dir("").await.map_err(|error| StoreError::Io { file: FILE, error })
    }

    /// The storage that the store belongs to. `None` if the file does not say: an older file, or a snapshot.
    pub(crate) fn owner(&self) -> Result<Option<StorageId>, StoreError> {
        Ok(self.meta("storage")?.map(StorageId))
    }

    /// Call this before the results of synchronous calls on the file are used. In the simulator such calls take no
    /// time, and this waits for as long as they would take on a real disk. In production it returns at once.
    pub(crate) async fn settle(&self) {
        self.file.settle().await;
    }

    /// Writes the changes of the last transaction, or of opening the file, to the disk. Until now they were held in
    /// memory. If the transaction asked for durability, its changes are durable after this. They are written piece by
    /// piece, with pauses between the pieces if there is a `pace`. Returns false if the disk has no room for all of
    /// them; the rest then waits for the next call.
    pub(crate) async fn release(&self, mut pace: Option<&mut Pace<'_>>) -> Result<bool, StoreError> {
        loop {
            match (release_some(&self.held, &*self.file).await?, pace.as_deref_mut()) {
                (Left::Nothing, _) if self.held.let_go() => return Ok(true),
                (Left::More, Some(pace)) => pace.rest(PIECE_PAUSE).await,
                (Left::Nothing, _) | (Left::More, None) => {}
                (Left::NoRoom, _) => return Ok(false),
            }
        }
    }

    /// As [`Self::release`], but a lack of room is an error.
    pub(crate) async fn release_all(&self, pace: Option<&mut Pace<'_>>) -> Result<(), StoreError> {
        if self.release(pace).await? { Ok(()) } else { Err(no_room()) }
    }

    /// Begins a transaction. What it writes is held back until [`Self::release`].
    fn write(&self) -> Result<redb::WriteTransaction, StoreError> {
        self.held.hold().map_err(|error| StoreError::Io { file: FILE, error })?;
        let mut write = self.db.begin_write()?;
        // Without this, opening the file after a kill would read all of it.
        write.set_quick_repair(true);
        Ok(write)
    }

    pub(crate) fn meta(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let read = self.db.begin_read()?;
        let table = match read.open_table(META) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        Ok(table.get(name)?.map(|v| v.value()))
    }

    /// The next position to apply, and the checksum of everything before it.
    pub(crate) fn cursor(&self) -> Result<(Lsn, u64), StoreError> {
        Ok((Lsn(self.meta("cursor")?.unwrap_or(0)), self.meta("checksum")?.unwrap_or(0)))
    }

    /// The position at which the store was found to differ from those of the other replicas.
    pub(crate) fn differs(&self) -> Result<Option<Lsn>, StoreError> {
        Ok(self.meta("differs")?.map(Lsn))
    }

    /// Writes a delta and its cursor in one transaction, with pauses in which other threads get the core. redb writes
    /// some pages before the commit. These are released during the pauses, so that hardly more than the pages of one
    /// slice wait in memory.
    pub(crate) async fn write_delta(&self, frozen: &FrozenDelta, pace: &mut Pace<'_>) -> Result<(), StoreError> {
        let write = self.write()?;
        {
            let mut changes = frozen.delta.rows().iter().peekable();
            while write_some(&mut write.open_table(ROWS)?, &mut changes, SLICE_ROWS)? {
                pace.rest(SLICE_PAUSE).await;
                while self.held.has_piece() && release_some(&self.held, &*self.file).await? == Left::More {
                    pace.rest(PIECE_PAUSE).await;
                }
            }
            let mut meta = write.open_table(META)?;
            meta.insert("cursor", frozen.cursor.0)?;
            meta.insert("checksum", frozen.checksum)?;
            write_differs(&mut meta, frozen.differs)?;
        }
        write.commit()?;
        Ok(())
    }

    /// Writes into the file that it belongs to `owner`.
    pub(crate) fn write_owner(&self, owner: StorageId) -> Result<(), StoreError> {
        let write = self.write()?;
        write.open_table(META)?.insert("storage", owner.0)?;
        write.commit()?;
        Ok(())
    }

    /// Sets the cursor, the checksum and the note of a difference to those of `of`, whose rows this file has.
    pub(crate) fn write_cursor_of(&self, of: &Self) -> Result<(), StoreError> {
        let ((cursor, checksum), differs) = (of.cursor()?, of.differs()?);
        self.write_cursor(cursor, checksum, differs)
    }

    /// Sets the cursor, the checksum and the note of a difference.
    pub(crate) fn write_cursor(&self, cursor: Lsn, checksum: u64, differs: Option<Lsn>) -> Result<(), StoreError> {
        let write = self.write()?;
        {
            let mut meta = write.open_table(META)?;
            meta.insert("cursor", cursor.0)?;
            meta.insert("checksum", checksum)?;
            write_differs(&mut meta, differs)?;
        }
        write.commit()?;
        Ok(())
    }

    /// Writes rows without moving the cursor, for a copy in progress. Nobody reads the copy before
    /// [`Self::write_cursor_of`]. If `durable` is false, redb keeps the written pages in its buffer while there is room
    /// for them. A durable commit lets redb use freed pages again.
    pub(crate) fn write_rows(&self, rows: &[(Vec<u8>, Vec<u8>)], durable: bool) -> Result<(), StoreError> {
        let mut write = self.write()?;
        if !durable {
            write.set_durability(Durability::None)?;
        }
        {
            let mut rows = rows.iter().peekable();
            write_some(&mut write.open_table(ROWS)?, &mut rows, usize::MAX)?;
        }
        write.commit()?;
        Ok(())
    }

    /// An iterator over all rows, and their number.
    pub(crate) fn walk(&self) -> Result<(Walk, u64), StoreError> {
        let table = self.db.begin_read()?.open_table(ROWS)?;
        Ok((table.range::<&[u8]>(..)?, table.len()?))
    }

    /// The rows as they are now. What is written later does not change them.
    pub(crate) fn fix(&self) -> Result<FixedTable, StoreError> {
        Ok(self.db.begin_read()?.open_table(ROWS)?)
    }

    /// The encoded name of the last row of each table, in ascending order.
    pub(crate) fn last_rows(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let read = self.db.begin_read()?;
        let table = read.open_table(ROWS)?;
        let mut last_rows: Vec<Vec<u8>> = Vec::new();
        let mut below = Bound::Unbounded;
        while let Some(row) = table.range::<&[u8]>((Bound::Unbounded, below))?.next_back() {
            last_rows.push(row?.0.value().to_vec());
            below = Bound::Excluded(table_of(last_rows.last().expect("it was just pushed")));
        }
        last_rows.reverse();
        Ok(last_rows)
    }

    /// The rows of the table of `last` whose encoded names are not above `last`, up to about `max_bytes`. If `after` is
    /// given, only those whose encoded names are above it.
    pub(crate) fn rows_after(
        &self,
        after: Option<&[u8]>,
        last: &[u8],
        max_bytes: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let read = self.db.begin_read()?;
        let table = read.open_table(ROWS)?;
        let from = after.map_or(Bound::Included(table_of(last)), Bound::Excluded);
        let mut rows = Vec::new();
        let mut bytes = 0;
        for row in table.range::<&[u8]>((from, Bound::Included(last)))? {
            let (key, value) = row?;
            bytes += key.value().len() + value.value().len();
            rows.push((key.value().to_vec(), value.value().to_vec()));
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(rows)
    }

    /// The row's value. Panics if the file cannot be read, because the node cannot go on without its replicated state.
    pub(crate) fn get(&self, key: &RowKey) -> Option<Bytes> {
        let read = || -> Result<Option<Bytes>, StoreError> {
            let table = self.db.begin_read()?.open_table(ROWS)?;
            Ok(table.get(&key.encode()[..])?.map(|v| Bytes::copy_from_slice(v.value())))
        };
        read().unwrap_or_else(|e| panic!("the local store cannot be read: {e}"))
    }

    /// Calls `each` with at most `limit` rows whose names are at least `from` and below `below`. Panics as
    /// [`Self::get`].
    pub(crate) fn scan(&self, from: &RowKey, below: &RowKey, limit: usize, mut each: impl FnMut(RowKey, &[u8])) {
        let mut read = || -> Result<(), StoreError> {
            let table = self.db.begin_read()?.open_table(ROWS)?;
            for row in table.range::<&[u8]>(&from.encode()[..]..&below.encode()[..])?.take(limit) {
                let (key, value) = row?;
                let key = RowKey::decode(key.value()).expect("only row names are written");
                each(key, value.value());
            }
            Ok(())
        };
        read().unwrap_or_else(|e| panic!("the local store cannot be read: {e}"));
    }

    /// Length of the file in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.held.len().unwrap_or(0)
    }
}
