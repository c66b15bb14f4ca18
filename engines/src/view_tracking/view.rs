//! The view in the local store: a row for each server with its persisted cursor.

use std::collections::BTreeMap;

use naxos_proto::ids::{Lsn, StorageId, StoreId};

use crate::local_store::{RowKey, StoreReader, TableId, tables};

/// The row of a server: storage id u64 (big-endian) to persisted cursor u64 (big-endian).
pub(super) fn row(storage: StorageId) -> RowKey {
    RowKey::new(StoreId(0), tables::VIEW, &storage.0.to_be_bytes())
}

/// The view at the local store's cursor. Panics if a row is damaged.
pub(super) fn load(reader: &StoreReader) -> BTreeMap<StorageId, Lsn> {
    let mut view = BTreeMap::new();
    let from = RowKey::new(StoreId(0), tables::VIEW, &[]);
    let end = RowKey::new(StoreId(0), TableId(tables::VIEW.0 + 1), &[]);
    reader.stream(&from, &end, |key, value| {
        let (storage, cursor) = (<[u8; 8]>::try_from(&key.key[..]), <[u8; 8]>::try_from(value));
        let (Ok(storage), Ok(cursor)) = (storage, cursor) else { panic!("a row of the view is damaged") };
        view.insert(StorageId(u64::from_be_bytes(storage)), Lsn(u64::from_be_bytes(cursor)));
    });
    view
}
