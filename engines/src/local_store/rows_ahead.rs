//! Reads rows on a Worker, ahead of who takes them: a start has one core that reads and copies, and one that builds.

use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::seams::{BlockingFile, Worker, start};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::local_store::damage::{ROWS_WRITTEN, caught};
use crate::local_store::database::{Database, StoreError, Walk};
use crate::local_store::row_key::RowKey;

/// Rows handed over at once.
const BATCH_BYTES: usize = 256 << 10;
/// Batches that wait to be taken.
const BATCHES_MAX: usize = 4;
/// Of the file, from its beginning on, asked for with each batch: redb reads page by page, which a disk that has nothing
/// in memory answers at a hundredth of its rate. Far more than a batch takes, so that soon the pages are there first.
const AHEAD_BYTES: u64 = 4 << 20;
/// What may be asked for beyond twice the rows read: as much of the file as they take, if half of it is free pages.
const AHEAD_BYTES_MAX: u64 = 512 << 20;

/// A row's name and its value, which lies in memory of its own.
pub type Row = (RowKey, Bytes);

/// See the module.
pub struct RowsAhead {
    /// An empty one says that there are no more.
    batches: mpsc::Receiver<Result<Vec<Row>, StoreError>>,
}

impl RowsAhead {
    /// Begins to read the rows from `from` on and below `below`.
    pub(crate) fn start(worker: &dyn Worker, database: Arc<Database>, from: RowKey, below: RowKey) -> Self {
        let (tx, batches) = mpsc::channel(BATCHES_MAX);
        // Nobody stops it: it ends with the rows, or when nobody takes them any more.
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
                    // Who is told that this was all is the only one to have the file.
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

    /// The next rows, in ascending order of their names; none behind the last ones.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Vec<Row>, StoreError> {
        self.batches.recv().await.unwrap_or(Err(StoreError::Unread))
    }
}

/// Rows that are being read, in one walk over all that there are. A search, for where a range or a batch begins or ends,
/// may end elsewhere in a tree that is damaged; a walk that leaves rows out is found by their number.
#[derive(Default)]
struct Rows {
    /// Begun with the first batch; with the number of rows that it should come to.
    walk: Option<(Walk, u64)>,
    /// The last name that it has come to.
    last: Option<RowKey>,
    /// Rows that it has come to.
    seen: u64,
    /// Bytes of all values handed over.
    bytes: u64,
}

impl Rows {
    /// The next rows that are wanted, about [`BATCH_BYTES`] of them; none at the end.
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
            // A walk through a damaged tree may lead back, again and again.
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
    async fn every_row_of_the_range_comes_once_and_in_order_in_batches_of_a_bound() {
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
    async fn it_ends_when_nobody_takes_the_rows() {
        let local = LocalSet::new();
        let dropped = async {
            let found = filled().await;
            drop(found.rows_ahead(&TaskWorker, row(0).0, row(COUNT).0));
        };
        local.run_until(dropped).await;
        // Ends when all tasks have.
        local.await;
    }
}
