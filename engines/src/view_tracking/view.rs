//! The view: for each server the position from which it needs the log. A row for each server is in the local store.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use naxos_proto::ids::{Lsn, StorageId, StoreId};
use parking_lot::Mutex;

use super::header::Told;
use crate::local_store::{RowKey, StoreReader, TableId, Txn, tables};

/// The view at the local store's cursor, and what this server has applied since it told its own cursor. The upper half
/// changes it; the lower half reads it.
pub(super) struct View(Mutex<Viewed>);

/// See [`View`].
#[derive(Clone, Debug, Default)]
pub(super) struct Viewed {
    pub(super) cursors: BTreeMap<StorageId, Lsn>,
    /// The servers whose position is a hold, as far as this process has seen it.
    pub(super) holds: BTreeSet<StorageId>,
    /// The highest position that was the least one of all servers, as far as this process has seen it: the log may be
    /// trimmed up to it.
    pub(super) trim_point: Lsn,
    /// Bytes of the entries that were applied since this server's cursor in the view was changed, or since the start.
    pub(super) untold_bytes: usize,
}

/// The row of a server: storage id u64 (big-endian) to position u64 (big-endian).
fn row(storage: StorageId) -> RowKey {
    RowKey::new(StoreId(0), tables::VIEW, &storage.0.to_be_bytes())
}

impl View {
    /// Reads the view from the local store. Panics if a row is damaged.
    pub(super) fn load(reader: &StoreReader) -> Self {
        let mut cursors = BTreeMap::new();
        let from = RowKey::new(StoreId(0), tables::VIEW, &[]);
        let end = RowKey::new(StoreId(0), TableId(tables::VIEW.0 + 1), &[]);
        reader.stream(&from, &end, |key, value| {
            let (storage, cursor) = (<[u8; 8]>::try_from(&key.key[..]), <[u8; 8]>::try_from(value));
            let (Ok(storage), Ok(cursor)) = (storage, cursor) else { panic!("a row of the view is damaged") };
            cursors.insert(StorageId(u64::from_be_bytes(storage)), Lsn(u64::from_be_bytes(cursor)));
        });
        let trim_point = cursors.values().min().copied().unwrap_or_default();
        Self(Mutex::new(Viewed { cursors, trim_point, ..Viewed::default() }))
    }

    pub(super) fn now(&self) -> Viewed {
        self.0.lock().clone()
    }

    /// The position of one server.
    pub(super) fn cursor(&self, storage: StorageId) -> Option<Lsn> {
        self.0.lock().cursors.get(&storage).copied()
    }

    /// The position below which no server of the view needs the log.
    pub(super) fn least(&self) -> Option<Lsn> {
        self.0.lock().cursors.values().min().copied()
    }

    /// Notes that an entry of `bytes` was applied.
    pub(super) fn applied(&self, bytes: usize) {
        let mut viewed = self.0.lock();
        viewed.untold_bytes = viewed.untold_bytes.saturating_add(bytes);
    }

    /// Applies what an entry tells. Returns whether the view has changed. `own` is this server.
    ///
    /// A position never goes down. It is told in the order of the log, but it may be older than what is known already.
    pub(super) fn apply(&self, txn: &mut Txn<'_>, told: Told, own: StorageId) -> bool {
        let mut viewed = self.0.lock();
        let (Told::Persisted(storage, at) | Told::Hold(storage, at) | Told::Eject(storage, at)) = told;
        let known = viewed.cursors.get(&storage).copied();
        let was_held = viewed.holds.remove(&storage);
        match told {
            Told::Persisted(..) | Told::Hold(..) if known.is_none_or(|known| known < at) => {
                viewed.cursors.insert(storage, at);
                txn.put(row(storage), Bytes::copy_from_slice(&at.0.to_be_bytes()));
            }
            Told::Eject(..) if known == Some(at) => {
                viewed.cursors.remove(&storage);
                txn.delete(row(storage));
            }
            _ => {
                if was_held && !matches!(told, Told::Persisted(..)) {
                    viewed.holds.insert(storage);
                }
                return false;
            }
        }
        if matches!(told, Told::Hold(..)) {
            viewed.holds.insert(storage);
        }
        if storage == own {
            viewed.untold_bytes = 0;
        }
        let least = viewed.cursors.values().min().copied().unwrap_or_default();
        viewed.trim_point = viewed.trim_point.max(least);
        true
    }
}
