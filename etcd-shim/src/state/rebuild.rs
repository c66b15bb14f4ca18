//! Builds a store's index from its rows when the node starts: one scan in the order of revisions.

use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::{RowKey, StoreReader};
use naxos_proto::ids::{StorageId, StoreId};
use smallvec::SmallVec;

use super::index::key_entry::{Live, Value};
use super::index::key_value::Fields;
use super::kept::{Kept, read_kept};
use super::lease::Lease;
use super::rows::{self, Counters, each_row, number};
use super::store::{SharedStore, Store};

/// A store that is being rebuilt from its key-value rows. Each step panics on a row that the store did not write.
pub struct Rebuild {
    store: Store,
}

impl Rebuild {
    /// Starts to rebuild store `id`; at most `resident_bytes_max` bytes of values are kept in memory.
    pub fn new(id: StoreId, resident_bytes_max: usize) -> Self {
        Self { store: Store::new(id, resident_bytes_max) }
    }

    /// The names of the rows to take: from the first one on, below the second.
    pub fn wanted(&self) -> (RowKey, RowKey) {
        rows::whole(self.store.id, rows::KEY_VALUES)
    }

    /// Takes one row. The rows must come in the order of their names.
    pub fn take(&mut self, row: &RowKey, encoded: Bytes) {
        let store = &mut self.store;
        let (at, deleted) = rows::revision_of(row);
        let Fields { key, create, version, lease, .. } = Fields::of(&encoded);
        // The key is copied, so that `encoded` can be moved into the entry. A second reference to its buffer would need
        // a reference count on the heap, for every key.
        let key: SmallVec<[u8; 256]> = SmallVec::from_slice(key);
        if !deleted {
            let value = match store.has_room(encoded.len()) {
                true => Value::Resident(encoded),
                false => Value::Row(encoded.len()),
            };
            let put = store.put(&key, |_| Ok(Live { at, create, version, lease, value }));
            put.map(drop).unwrap_or_else(|never: std::convert::Infallible| match never {});
            store.keep_within();
        } else if store.delete(&key, at, &encoded).is_none() {
            // A compaction has dropped the value that was deleted.
            store.deletion_without_value(&key, at, &encoded);
        }
    }

    /// Completes the store with its other rows: leases, alarms, members, their seats and versions, counters.
    pub fn finish(self, reader: &StoreReader) -> Arc<SharedStore> {
        let mut store = self.store;
        let id = store.id;
        each_row(reader, id, rows::LEASES, |row, value| {
            let ttl = i64::from_le_bytes(value[..].try_into().expect("a lease row has 8 bytes"));
            store.leases.insert(number(&row).cast_signed(), Lease { ttl, ..Lease::default() });
        });
        each_row(reader, id, rows::ALARMS, |row, _| {
            let alarm = i32::from_be_bytes(row.key[8..12].try_into().expect("an alarm row's name has 12 bytes"));
            store.alarms.insert((number(&row), alarm));
        });
        let Kept { members, removed, .. } = read_kept(reader, id);
        (store.members, store.removed) = (members, removed);
        each_row(reader, id, rows::SEATS, |row, value| {
            store.seats.load(StorageId(number(&row)), value);
        });
        each_row(reader, id, rows::VERSIONS, |row, value| store.versions.load(&row, value));
        if let Some(row) = reader.get(&rows::state(id)) {
            let counters = Counters::decode(row).expect("the store's counters are what it encoded");
            store.revision = counters.revision;
            store.compacted = counters.compacted;
            store.keeper = counters.keeper;
        }
        let mut attached = Vec::new();
        store.keys.visit(b"", None, |entry| {
            attached.extend(entry.live.as_ref().filter(|l| l.lease != 0).map(|l| (l.lease, entry.key.clone())));
            std::ops::ControlFlow::Continue(())
        });
        for (lease, key) in attached {
            if let Some(lease) = store.leases.get_mut(&lease) {
                lease.keys.insert(key);
            }
        }
        SharedStore::new(store)
    }
}

impl SharedStore {
    /// Does all of [`Rebuild`] on one thread: for stores with few rows, such as those of tests.
    pub fn rebuild(id: StoreId, reader: &StoreReader, resident_bytes_max: usize) -> Arc<SharedStore> {
        let mut rebuild = Rebuild::new(id, resident_bytes_max);
        let (from, below) = rebuild.wanted();
        reader.stream(&from, &below, |row, encoded| rebuild.take(&row, Bytes::copy_from_slice(encoded)));
        rebuild.finish(reader)
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::etcd::server::mvccpb::KeyValue;
    use prost::Message as _;

    use super::*;
    use crate::state::index::revision_key::RevisionKey;

    #[test]
    fn a_deletion_at_the_compacted_revision_is_history_after_a_start_although_its_value_was_dropped() {
        let deletion = KeyValue { key: "a".into(), mod_revision: 3, ..KeyValue::default() };
        let row = rows::key_value(StoreId(0), RevisionKey { main: 3, sub: 0 }, true);
        let mut rebuild = Rebuild::new(StoreId(0), usize::MAX);
        rebuild.take(&row, deletion.encode_to_vec().into());
        let past = rebuild.store.keys.get(b"a").expect("the key has a past").past_since(3);
        assert!(past.map(|past| (past.at.main, past.deleted)).eq([(3, true)]));
    }
}
