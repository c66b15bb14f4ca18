//! The redb file: all rows, and the cursor and checksum that belong to them, in one transaction each time.

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
use crate::local_store::row_key::RowKey;

/// Name of the file in the data directory.
pub(crate) const FILE: &str = "store.redb";
/// A file under this name was never finished: creating is not crash-safe, renaming is.
const FILE_NEW: &str = "store.redb.new";
/// redb's own cache; its default is 1 GiB.
pub(crate) const CACHE_BYTES: usize = 16 << 20;
/// Rows written at a stretch: about half a millisecond, less than a scheduler's slice.
const SLICE_ROWS: usize = 512;
/// Between two stretches, at least. Who waits for a core meanwhile is a client's request.
const SLICE_PAUSE: Duration = Duration::from_millis(1);
/// Between two pieces of what a transaction has written, at least: the journal's syncs go first.
const PIECE_PAUSE: Duration = Duration::from_millis(2);
/// Version of the tables below.
pub(crate) const STORE_FORMAT: u64 = 2;

/// Keeps what it reads from as it was at its beginning.
pub(crate) type Walk = redb::Range<'static, &'static [u8], &'static [u8]>;

type Rows<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file calls failed.
    #[error("{file}: {error}")]
    Io {
        /// Which file.
        file: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// redb refused.
    #[error("{FILE}: {0}")]
    Redb(Box<redb::Error>),
    /// A format of another version.
    #[error(
        "{FILE} has format version {found}, this build reads version {STORE_FORMAT}: start the release that wrote it"
    )]
    Version {
        /// In the file.
        found: u64,
    },
    /// The Worker that reads rows has ended before it came to the last one.
    #[error("{FILE}: the thread that reads it has ended; the log says why")]
    Unread,
    /// The file is not what was written.
    #[error("{FILE} is damaged: expected {expected}, found {found}; restore the data directory from a backup")]
    Damaged {
        /// What had to be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The file is gone, and the log alone does not tell what was in it.
    #[error(
        "{FILE} is missing, and the log was trimmed behind it: expected the file that belongs to this journal; restore \
         the data directory from a backup"
    )]
    Missing,
    /// The file lacks what the log cannot tell any more.
    #[error("{FILE} has applied the log up to {cursor}, expected beyond {at}, where it is damaged")]
    Lost {
        /// The damaged position.
        at: Lsn,
        /// Next position to apply.
        cursor: Lsn,
    },
    /// The file has applied what the log does not have.
    #[error(
        "{FILE} has applied the log up to {cursor}, expected at most {end}, where the journal ends: the journal has lost \
         its end, or is older than the file, and the two are not a pair"
    )]
    Ahead {
        /// Where the log ends.
        end: Lsn,
        /// Next position to apply.
        cursor: Lsn,
    },
    /// The file lacks what the log has forgotten.
    #[error(
        "{FILE} has applied the log up to {cursor}, expected {begin} or more, since the log is trimmed up to there: the file \
         is older than the journal, and the two are not a pair"
    )]
    Behind {
        /// Where the log begins.
        begin: Lsn,
        /// Next position to apply.
        cursor: Lsn,
    },
    /// The file belongs to another data directory.
    #[error(
        "{FILE} belongs to storage {found:016x}, expected {expected:016x}, whose journal this is: put back the file of \
         this data directory"
    )]
    Foreign {
        /// In the file.
        found: u64,
        /// Of this data directory.
        expected: u64,
    },
}

/// A row and its new value.
trait Change {
    /// As redb has it.
    fn name(&self) -> impl AsRef<[u8]>;
    /// None for a deleted one.
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

/// Writes at most `max` changes in ascending order; false when there are no more. Behind each row written alone, further
/// ones go through the gap after it as long as they fit there: that is the rule, as most rows are new and named by
/// rising revisions, and costs a third of separate inserts.
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

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(e: E) -> Self {
        StoreError::Redb(Box::new(e.into()))
    }
}

impl StoreError {
    /// What redb says of a file that the disk could read: that is damaged.
    pub(crate) fn or_damaged(self, expected: &'static str) -> Self {
        let by_disk = |e: &redb::Error| matches!(e, redb::Error::Io(e) if e.kind() != ErrorKind::UnexpectedEof);
        match self {
            StoreError::Redb(e) if !by_disk(&e) => StoreError::Damaged { expected, found: e.to_string() },
            e => e,
        }
    }
}

/// See the module.
pub(crate) struct Database {
    pub(crate) db: redb::Database,
    /// What redb reads and writes through.
    pub(crate) held: Arc<HeldFile>,
    pub(crate) file: Arc<dyn File>,
}

pub(crate) async fn open_file(
    disk: &dyn Disk,
    name: &'static str,
    mode: OpenMode,
) -> Result<Arc<dyn File>, StoreError> {
    disk.open(name, mode).await.map_err(|error| StoreError::Io { file: name, error })
}

impl Database {
    /// An empty database of `owner`, under the name of an unfinished one.
    pub(crate) async fn create(disk: &dyn Disk, owner: Option<StorageId>) -> Result<Self, StoreError> {
        Self::remove_unfinished(disk).await?;
        let file = open_file(disk, FILE_NEW, OpenMode::CreateNew).await?;
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

    /// Removes the unfinished file, if there is one.
    pub(crate) async fn remove_unfinished(disk: &dyn Disk) -> Result<(), StoreError> {
        let io = |error| StoreError::Io { file: FILE_NEW, error };
        let names = disk.list("").await.map_err(io)?;
        if names.iter().any(|n| n == FILE_NEW) {
            disk.remove(FILE_NEW).await.map_err(io)?;
        }
        Ok(())
    }

    /// Gives the unfinished file its name, not durably yet. An open handle goes on to work.
    pub(crate) async fn give_name(disk: &dyn Disk) -> Result<(), StoreError> {
        disk.rename(FILE_NEW, FILE).await.map_err(|error| StoreError::Io { file: FILE_NEW, error })
    }

    /// Makes the name durable.
    pub(crate) async fn sync_name(disk: &dyn Disk) -> Result<(), StoreError> {
        disk.sync_dir("").await.map_err(|error| StoreError::Io { file: FILE, error })
    }

    /// Whose store it is; none for a file from before this was noted.
    pub(crate) fn owner(&self) -> Result<Option<StorageId>, StoreError> {
        Ok(self.meta("storage")?.map(StorageId))
    }

    /// Waits for the time that synchronous calls owe: look at their results only after it.
    pub(crate) async fn settle(&self) {
        self.file.settle().await;
    }

    /// Makes what the last transaction has written durable, or what was written while the file was opened, a piece at a
    /// time, with rests between them if there is a pace; false if the disk has no room for all of it. Then what is left
    /// waits for the next call.
    pub(crate) async fn release(&self, mut pace: Option<&mut Pace<'_>>) -> Result<bool, StoreError> {
        loop {
            match (self.release_some().await?, pace.as_deref_mut()) {
                (Left::Nothing, _) if self.held.let_go() => return Ok(true),
                (Left::More, Some(pace)) => pace.rest(PIECE_PAUSE).await,
                (Left::Nothing, _) | (Left::More, None) => {}
                (Left::NoRoom, _) => return Ok(false),
            }
        }
    }

    /// The same, where a lack of room is an error.
    pub(crate) async fn release_all(&self, pace: Option<&mut Pace<'_>>) -> Result<(), StoreError> {
        let no_room = || StoreError::Io { file: FILE, error: ErrorKind::StorageFull.into() };
        if self.release(pace).await? { Ok(()) } else { Err(no_room()) }
    }

    async fn release_some(&self) -> Result<Left, StoreError> {
        let released = self.held.release_some();
        self.settle().await;
        released.map_err(|error| StoreError::Io { file: FILE, error })
    }

    /// Begins a transaction. What it writes waits for [`Self::release`].
    fn write(&self) -> Result<redb::WriteTransaction, StoreError> {
        self.held.hold().map_err(|error| StoreError::Io { file: FILE, error })?;
        let mut write = self.db.begin_write()?;
        // Without it, reopening after a kill walks the whole file.
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

    /// The next position to apply and the checksum up to there.
    pub(crate) fn cursor(&self) -> Result<(Lsn, u64), StoreError> {
        Ok((Lsn(self.meta("cursor")?.unwrap_or(0)), self.meta("checksum")?.unwrap_or(0)))
    }

    /// Writes a delta with its cursor, as one, in slices between which other threads get the core. Of what redb does not
    /// keep to itself until the end, no more than a slice's waits.
    pub(crate) async fn write_delta(&self, frozen: &FrozenDelta, pace: &mut Pace<'_>) -> Result<(), StoreError> {
        let write = self.write()?;
        {
            let mut changes = frozen.delta.rows().iter().peekable();
            while write_some(&mut write.open_table(ROWS)?, &mut changes, SLICE_ROWS)? {
                pace.rest(SLICE_PAUSE).await;
                while self.held.has_piece() && self.release_some().await? == Left::More {
                    pace.rest(PIECE_PAUSE).await;
                }
            }
            let mut meta = write.open_table(META)?;
            meta.insert("cursor", frozen.cursor.0)?;
            meta.insert("checksum", frozen.checksum)?;
        }
        write.commit()?;
        Ok(())
    }

    /// Sets the cursor and the checksum alone.
    pub(crate) fn write_cursor(&self, (cursor, checksum): (Lsn, u64)) -> Result<(), StoreError> {
        let write = self.write()?;
        {
            let mut meta = write.open_table(META)?;
            meta.insert("cursor", cursor.0)?;
            meta.insert("checksum", checksum)?;
        }
        write.commit()?;
        Ok(())
    }

    /// Writes rows without moving the cursor: a copy in progress, which nobody reads before [`Self::write_cursor`].
    /// A commit that is not durable stays in redb's buffer as far as that goes; one that is lets redb use freed pages again.
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

    /// A walk over all rows, and how many there are.
    pub(crate) fn walk(&self) -> Result<(Walk, u64), StoreError> {
        let table = self.db.begin_read()?.open_table(ROWS)?;
        Ok((table.range::<&[u8]>(..)?, table.len()?))
    }

    /// Rows whose encoded names lie above `after`, up to about `max_bytes`.
    pub(crate) fn rows_after(
        &self,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let read = self.db.begin_read()?;
        let table = read.open_table(ROWS)?;
        let bound = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = Vec::new();
        let mut bytes = 0;
        for row in table.range::<&[u8]>((bound, Bound::Unbounded))? {
            let (key, value) = row?;
            bytes += key.value().len() + value.value().len();
            rows.push((key.value().to_vec(), value.value().to_vec()));
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(rows)
    }

    /// The row's value. Panics when the file cannot be read: replicated state that is not there is no state to go on
    /// from.
    pub(crate) fn get(&self, key: &RowKey) -> Option<Bytes> {
        let read = || -> Result<Option<Bytes>, StoreError> {
            let table = self.db.begin_read()?.open_table(ROWS)?;
            Ok(table.get(&key.encode()[..])?.map(|v| Bytes::copy_from_slice(v.value())))
        };
        read().unwrap_or_else(|e| panic!("the local store cannot be read: {e}"))
    }

    /// Calls `each` with at most `limit` rows from `from` on and below `below`. Panics as [`Self::get`].
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

    /// Length of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.held.len().unwrap_or(0)
    }
}
