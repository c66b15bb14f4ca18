//! Reads rows on a Worker, ahead of who takes them: a start has one core that reads and copies, and one that builds.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::seams::{Worker, start};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::local_store::database::{Database, StoreError};
use crate::local_store::opening::{ROWS, caught};
use crate::local_store::row_key::RowKey;

/// Rows handed over at once.
const BATCH_BYTES: usize = 256 << 10;
/// Batches that wait to be taken.
const BATCHES_MAX: usize = 4;
/// Of the file, from its beginning on, asked for with each batch: redb reads page by page, which a disk that has nothing
/// in memory answers at a hundredth of its rate. Far more than a batch takes, so that soon all pages are there.
const AHEAD_BYTES: u64 = 4 << 20;

/// A row's name and its value, which lies in memory of its own.
pub type Row = (RowKey, Bytes);

/// See the module.
pub struct RowsAhead {
    /// An empty one says that there are no more.
    batches: mpsc::Receiver<Result<Vec<Row>, StoreError>>,
}

impl RowsAhead {
    /// Begins to read the rows from `from` on and below `below`.
    pub(crate) fn start(worker: &dyn Worker, database: Arc<Database>, from: &RowKey, below: &RowKey) -> Self {
        let (tx, batches) = mpsc::channel(BATCHES_MAX);
        let (mut from, below) = (Bound::Included(from.encode()), below.encode());
        let file_bytes = database.file_bytes();
        // Nobody stops it: it ends with the rows, or when nobody takes them any more.
        let read = move |_: CancellationToken| async move {
            let mut asked_for = 0;
            loop {
                if asked_for < file_bytes {
                    database.blocking.will_read(asked_for, AHEAD_BYTES);
                    asked_for += AHEAD_BYTES;
                }
                let range = (from.as_ref().map(|name| &name[..]), Bound::Excluded(&below[..]));
                let batch = caught(ROWS, || read_batch(&database, range));
                database.settle().await;
                let last = batch.as_ref().ok().and_then(|rows| rows.last());
                let next = last.map(|(name, _)| Bound::Excluded(name.encode()));
                if tx.send(batch).await.is_err() {
                    return;
                }
                match next {
                    Some(next) => from = next,
                    None => return,
                }
            }
        };
        drop(start(worker, "rows-ahead", CancellationToken::new(), read));
        Self { batches }
    }

    /// The next rows; none behind the last ones.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Vec<Row>, StoreError> {
        self.batches.recv().await.expect("the Worker says when the rows end, and is not asked again")
    }
}

/// The first rows of the range, about [`BATCH_BYTES`] of them.
fn read_batch(database: &Database, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Vec<Row>, StoreError> {
    let mut rows: Vec<Row> = Vec::new();
    let take = |name: &[u8], value: &[u8]| {
        let name = RowKey::decode(name).expect("only row names are written");
        rows.push((name, Bytes::copy_from_slice(value)));
    };
    database.first_rows(range, BATCH_BYTES, take).map_err(|e| e.or_damaged(ROWS))?;
    // A search in names that are out of order may find what came before, again and again.
    let within = |(name, _): &Row| RangeBounds::<[u8]>::contains(&range, &name.encode()[..]);
    let ends_within = rows.first().is_none_or(within) && rows.last().is_none_or(within);
    if ends_within && rows.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Ok(rows);
    }
    Err(StoreError::Damaged { expected: ROWS, found: "names of rows out of order".to_owned() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use naxos_proto::ids::{Lsn, StoreId};
    use naxos_proto::seams::sim::{Drive, SimClock, TaskWorker};
    use tokio::task::LocalSet;

    use super::*;
    use crate::local_store::{FoundStore, LocalStore, TableId};

    const ROWS: u32 = 500;

    fn row(n: u32) -> Row {
        (RowKey::new(StoreId(0), TableId(40), &n.to_be_bytes()), vec![n as u8; 20_000 + n as usize].into())
    }

    async fn filled() -> FoundStore {
        let (drive, clock) = (Drive::new(1), Arc::new(SimClock::new(Duration::ZERO)));
        let mut store = LocalStore::open(drive.mount(), Arc::clone(&clock) as _).await.unwrap();
        let mut txn = store.begin();
        (0..ROWS).map(row).for_each(|(name, value)| txn.put(name, value));
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
            let mut ahead = found.rows_ahead(&TaskWorker, &row(3).0, &row(ROWS - 3).0);
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
        assert!(rows == (3..ROWS - 3).map(row).collect::<Vec<_>>(), "{} rows", rows.len());
    }

    #[tokio::test]
    async fn it_ends_when_nobody_takes_the_rows() {
        let local = LocalSet::new();
        let dropped = async {
            let found = filled().await;
            drop(found.rows_ahead(&TaskWorker, &row(0).0, &row(ROWS).0));
        };
        local.run_until(dropped).await;
        // Ends when all tasks have.
        local.await;
    }
}
