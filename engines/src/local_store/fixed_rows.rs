//! [`FixedRows`]: all rows as they were at one position of the log, while the store goes on.
//!
//! They are the deltas of that moment, and a read transaction of redb. As long as the transaction lives, redb does not
//! reuse the pages that the transaction sees, so the file grows by what is written meanwhile.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::ids::Lsn;

use crate::local_store::damage::{ROWS_WRITTEN, caught};
use crate::local_store::database::{Database, FixedTable};
use crate::local_store::delta::FrozenDelta;
use crate::local_store::row_key::RowKey;
use crate::local_store::rows_ahead::Row;
use crate::local_store::shared::Shared;
use crate::local_store::store_error::StoreError;

/// See the module.
pub struct FixedRows {
    position: Lsn,
    /// The changes that were not frozen yet. They are above all others.
    open: BTreeMap<RowKey, Option<Bytes>>,
    /// Oldest first.
    frozen: Vec<Arc<FrozenDelta>>,
    table: FixedTable,
    /// Keeps the file open, even if a defragmentation has replaced it. It is dropped after the table.
    _database: Arc<Database>,
}

impl FixedRows {
    /// The rows of the entries that were applied up to now. Apply waits while the open delta is copied. Only the names
    /// are copied; the values are shared.
    pub(super) fn now(shared: &Shared) -> Result<Self, StoreError> {
        let _boundary = shared.boundary.lock();
        // Rows move from the open delta to the frozen ones and then to redb, and this reads in the same order. So no row is
        // missed, and what is read twice is the same.
        let open = shared.open.read().rows().clone();
        let frozen = shared.frozen.read().clone();
        let database = Arc::clone(&shared.database.read());
        let table = caught(ROWS_WRITTEN, || database.fix())?;
        Ok(Self { position: shared.applied(), open, frozen, table, _database: database })
    }

    /// The next position to apply after these rows.
    pub fn position(&self) -> Lsn {
        self.position
    }

    /// The row's value. Reads the disk, as [`Self::scan`] does.
    pub fn get(&self, name: &RowKey) -> Result<Option<Bytes>, StoreError> {
        Ok(self.scan(name, &name.clone().after(), 1)?.into_iter().next().map(|(_, value)| value))
    }

    /// The first rows from `from` on and below `below`, in the order of their names: about `bytes_max` bytes from redb,
    /// and all rows of the deltas in the same part of the range. Empty only if there are none. Do not call it on a
    /// thread that serves requests.
    pub fn scan(&self, from: &RowKey, below: &RowKey, bytes_max: usize) -> Result<Vec<Row>, StoreError> {
        let mut from = from.clone();
        loop {
            if from >= *below {
                return Ok(Vec::new());
            }
            let (rows, next) = self.piece(&from, below, bytes_max)?;
            match next {
                // All rows of this piece are deleted by a delta.
                Some(next) if rows.is_empty() => from = next,
                _ => return Ok(rows),
            }
        }
    }

    /// A part of the rows of [`Self::scan`], and the name to go on from, which is `None` after the last row. The part
    /// may be empty although there are more rows.
    fn piece(&self, from: &RowKey, below: &RowKey, bytes_max: usize) -> Result<(Vec<Row>, Option<RowKey>), StoreError> {
        let (bottom, is_all) = caught(ROWS_WRITTEN, || self.written(from, below, bytes_max))?;
        // Beyond the last row of redb that was read, the deltas alone do not tell all rows.
        let next = bottom.last().filter(|_| !is_all).map(|(last, _)| last.clone().after());
        let range = (Bound::Included(from), Bound::Excluded(next.as_ref().unwrap_or(below)));
        let mut rows: BTreeMap<RowKey, Option<Bytes>> =
            bottom.into_iter().map(|(name, row)| (name, Some(row))).collect();
        let deltas = self.frozen.iter().map(|frozen| frozen.delta.rows()).chain([&self.open]);
        for delta in deltas {
            rows.extend(delta.range::<RowKey, _>(range).map(|(name, row)| (name.clone(), row.clone())));
        }
        Ok((rows.into_iter().filter_map(|(name, row)| Some((name, row?))).collect(), next))
    }

    /// The rows in redb from `from` on and below `below`, about `bytes_max` bytes of them, and whether these are all.
    fn written(&self, from: &RowKey, below: &RowKey, bytes_max: usize) -> Result<(Vec<Row>, bool), StoreError> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for row in self.table.range::<&[u8]>(&from.encode()[..]..&below.encode()[..])? {
            if bytes >= bytes_max {
                return Ok((rows, false));
            }
            let (name, value) = row?;
            let name = RowKey::decode(name.value()).expect("only row names are written");
            let value = Bytes::copy_from_slice(value.value());
            bytes += name.key.len() + value.len();
            rows.push((name, value));
        }
        Ok((rows, true))
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::StoreId;
    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::local_store::{LocalStore, TableId};

    fn name(n: u32) -> RowKey {
        RowKey::new(StoreId(0), TableId(40), &n.to_be_bytes())
    }

    /// Reads all rows in pieces of about `bytes_max` bytes.
    fn all(fixed: &FixedRows, bytes_max: usize) -> Vec<Row> {
        let (mut from, mut all) = (name(0), Vec::new());
        loop {
            let rows = fixed.scan(&from, &name(u32::MAX), bytes_max).unwrap();
            let Some((last, _)) = rows.last() else { return all };
            from = last.clone().after();
            all.extend(rows);
        }
    }

    #[tokio::test]
    async fn the_rows_stay_as_they_were_while_the_store_goes_on_and_is_defragmented() {
        let mut store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.unwrap();
        let (reader, checkpointer) = (store.reader(), store.checkpointer(0));
        let (defragmenter, stop) = (checkpointer.defragmenter(), CancellationToken::new());
        let mut at = 0;
        let mut change = |rows: &mut dyn Iterator<Item = (u32, Option<u8>)>| {
            let mut txn = store.begin();
            for (n, value) in rows {
                match value {
                    Some(value) => txn.put(name(n), vec![value; 100].into()),
                    None => txn.delete(name(n)),
                }
            }
            at += 1;
            txn.commit(Lsn(at));
        };
        change(&mut (0..1_000).map(|n| (n, Some(1))));
        let work = async {
            defragmenter.defragment().await.unwrap();
            // Some rows are in redb alone, others in the open delta too, or only there.
            change(&mut (0..500).map(|n| (n, None)));
            change(&mut (500..600).map(|n| (n, Some(2))));
            change(&mut (1_000..1_100).map(|n| (n, Some(3))));
            let fixed = reader.fix().unwrap();
            assert_eq!(fixed.position(), Lsn(4));
            change(&mut (0..2_000).map(|n| (n, Some(9))));
            defragmenter.defragment().await.unwrap();
            change(&mut (0..2_000).map(|n| (n, None)));
            defragmenter.defragment().await.unwrap();
            stop.cancel();
            fixed
        };
        let (ran, fixed) = tokio::join!(checkpointer.run(stop.clone(), |_| {}), work);
        ran.unwrap();
        let value = |n: u32| match n {
            500..600 => 2,
            600..1_000 => 1,
            _ => 3,
        };
        let expected: Vec<Row> = (500..1_100).map(|n| (name(n), vec![value(n); 100].into())).collect();
        for bytes_max in [1, 350, usize::MAX] {
            assert!(all(&fixed, bytes_max) == expected, "pieces of {bytes_max} bytes");
        }
        assert_eq!(fixed.get(&name(499)).unwrap(), None);
        assert_eq!(fixed.get(&name(600)).unwrap(), Some(vec![1; 100].into()));
    }
}
