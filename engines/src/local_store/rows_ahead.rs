//! Reads rows on a Worker, ahead of their consumer. So a start uses two cores: one reads and copies rows, the other
//! builds the index.

use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::seams::{BlockingFile, Worker, start};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::local_store::damage::{ROWS_WRITTEN, caught};
use crate::local_store::database::{Database, Walk};
use crate::local_store::row_key::RowKey;
use crate::local_store::store_error::StoreError;

/// About how many bytes of values a batch of rows has.
const BATCH_BYTES: usize = 256 << 10;
/// At most this many batches wait to be taken.
const BATCHES_MAX: usize = 4;
/// The size of the part of the file that is requested in advance with each batch. The first batch requests the part at
/// the beginning of the file, and each further batch requests the next part. redb itself reads page by page, and while
/// the file is not in the page cache, that is a hundred times slower than reading large parts. A part is far larger
/// than a batch, so that soon the pages are in memory before redb reads them.
const AHEAD_BYTES: u64 = 4 << 20;
/// At most about twice the bytes of the rows read so far, plus this many, are requested in advance. It is twice the
/// bytes because half of the file may be free pages.
const AHEAD_BYTES_MAX: u64 = 512 << 20;

/// A row's name and its value. The value is a copy, which keeps no other memory in use.
pub type Row = (RowKey, Bytes);

/// Reads rows ahead of their consumer; see the module.
pub struct RowsAhead {
    /// The batches. An empty one means that there are no more rows.
    batches: mpsc::Receiver<Result<Vec<Row>, StoreError>>,
}

impl RowsAhead {
    /// Begins to read the rows from `from` on and below `below`.
    pub(crate) fn start(worker: &dyn Worker, database: Arc<Database>, from: RowKey, below: RowKey) -> Self {
        let (tx, batches) = mpsc::channel(BATCHES_MAX);
        // The Worker needs no stop signal: it ends after the last row, or when the `RowsAhead` was dropped.
        let read = move |_: CancellationToken| async move {
            let mut rows = Rows::default();
            let mut asked_for = 0;
            loop {
                if asked_for < database.file_bytes().min(2 * rows.bytes + AHEAD_BYTES_MAX) {
                    database.held.will_read(asked_for, AHEAD_BYTES);
                    asked_for += AHEAD_BYTES;
                }
                let batch = caught(ROWS_WRITTEN, || {
                    let wanted = |name: &RowKey| (&from..&below).contains(&name);
                    rows.batch(|| database.walk(), wanted).map_err(|e| e.or_damaged(ROWS_WRITTEN))
                });
                database.settle().await;
                if batch.as_ref().map_or(true, Vec::is_empty) {
                    // Drop the file before the last batch is sent. When the consumer gets the last batch, nobody else
                    // may use the file any more.
                    drop((rows, database));
                    let _ = tx.send(batch).await;
                    return;
                }
                if tx.send(batch).await.is_err() {
                    return;
                }
            }
        };
        drop(start(worker, "rows-ahead", CancellationToken::new(), read));
        Self { batches }
    }

    /// The next rows, in ascending order of their names; an empty list after the last ones.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Vec<Row>, StoreError> {
        self.batches.recv().await.unwrap_or(Err(StoreError::Unread))
    }
}

/// The rows that are being read. One walk goes over all rows of the file, although only a range of them is wanted,
/// because in a damaged tree a search for the beginning or end of a range may lead to the wrong place. A complete walk
/// that misses rows is detected, because the number of all rows is known.
#[derive(Default)]
struct Rows {
    /// The walk, and the number of rows that it should find. `None` before the first batch.
    walk: Option<(Walk, u64)>,
    /// The name of the last row found.
    last: Option<RowKey>,
    /// Number of rows found so far.
    seen: u64,
    /// Number of bytes of all values that were returned in batches.
    bytes: u64,
}

impl Rows {
    /// The next wanted rows, about [`BATCH_BYTES`] of them; an empty list at the end.
    fn batch(
        &mut self,
        begin: impl FnOnce() -> Result<(Walk, u64), StoreError>,
        wanted: impl Fn(&RowKey) -> bool,
    ) -> Result<Vec<Row>, StoreError> {
        let (walk, count) = match &mut self.walk {
            Some(walk) => walk,
            none => none.insert(begin()?),
        };
        let damaged = |found| StoreError::Damaged { expected: ROWS_WRITTEN, found };
        let mut rows = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES {
            let Some(row) = walk.next().transpose()? else {
                if self.seen != *count {
                    return Err(damaged(format!("{} rows of {count}", self.seen)));
                }
                break;
            };
            let (name, value) = (row.0.value(), row.1.value());
            let name = RowKey::decode(name).expect("only row names are written");
            // A walk through a damaged tree might go back to earlier rows again and again.
            if self.last.as_ref().is_some_and(|last| *last >= name) {
                return Err(damaged("names of rows out of order".to_owned()));
            }
            if wanted(&name) {
                bytes += value.len();
                rows.push((name.clone(), Bytes::copy_from_slice(value)));
            }
            self.last = Some(name);
            self.seen += 1;
        }
        self.bytes += bytes as u64;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use naxos_proto::ids::{Lsn, StoreId};
    use naxos_proto::seams::sim::{Drive, SimClock, TaskWorker};
    use tokio::task::LocalSet;

    use super::*;
    use crate::local_store::{FoundStore, LocalStore, TableId};

    const COUNT: u32 = 500;

    fn row(n: u32) -> Row {
        (RowKey::new(StoreId(0), TableId(40), &n.to_be_bytes()), vec![n as u8; 20_000 + n as usize].into())
    }

    async fn filled() -> FoundStore {
        let (drive, clock) = (Drive::new(1), Arc::new(SimClock::new(Duration::ZERO)));
        let mut store = LocalStore::open(drive.mount(), Arc::clone(&clock) as _).await.unwrap();
        let mut txn = store.begin();
        (0..COUNT).map(row).for_each(|(name, value)| txn.put(name, value));
        txn.commit(Lsn(1));
        let stopped = CancellationToken::new();
        stopped.cancel();
        store.checkpointer(0).run(stopped, |_| ()).await.unwrap();
        FoundStore::open(drive.mount(), clock, None).await.unwrap()
    }

    #[tokio::test]
    async fn batches_are_bounded_and_hold_every_row_of_the_range_once_and_in_order() {
        let read = async {
            let found = filled().await;
            let mut ahead = found.rows_ahead(&TaskWorker, row(3).0, row(COUNT - 3).0);
            let mut rows = Vec::new();
            loop {
                let batch = ahead.next().await.unwrap();
                if batch.is_empty() {
                    break rows;
                }
                let bytes: usize = batch.iter().map(|(_, value)| value.len()).sum();
                assert!(bytes < BATCH_BYTES + 21_000, "{bytes}");
                rows.extend(batch);
            }
        };
        let rows = LocalSet::new().run_until(read).await;
        assert!(rows == (3..COUNT - 3).map(row).collect::<Vec<_>>(), "{} rows", rows.len());
    }

    #[tokio::test]
    async fn reading_ends_when_nobody_takes_the_rows() {
        let local = LocalSet::new();
        let dropped = async {
            let found = filled().await;
            drop(found.rows_ahead(&TaskWorker, row(0).0, row(COUNT).0));
        };
        local.run_until(dropped).await;
        // This ends when all tasks have ended.
        local.await;
    }
}
