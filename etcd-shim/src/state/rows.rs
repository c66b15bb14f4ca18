//! The rows of a store in the local store.
//!
//! | table | key | value |
//! |---|---|---|
//! | 32 key values | main revision u64, sub revision u32 (big-endian), and `t` for a deletion | encoded `KeyValue` |
//! | 33 leases | id u64, big-endian | granted time-to-live in seconds, i64, little-endian |
//! | 34 state | `state` | revision i64, compacted revision i64, keeper: loglet id and storage id u64 (little-endian) |
//! | 35 alarms | member id u64, alarm i32 (big-endian) | |
//! | 36 members | id u64, big-endian | encoded `Member` |
//! | 37 seats | storage id u64, big-endian | member id u64, whether it has the seat now u8 (little-endian) |
//! | 38 removed members | id u64, big-endian | |
//! | 39 versions | `cluster` | the cluster's version u32 (little-endian) |
//! | | member id u64, big-endian | what the member has announced: version u32, storage id u64, boot u64 (little-endian) |
//! | 40 own | as the program's own state machine chooses | as it chooses |

use bytes::{BufMut, Bytes, BytesMut};
use naxos_engines::local_store::tables;
use naxos_engines::{RowKey, StoreReader, TableId};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::{StorageId, StoreId};

use super::index::revision_key::RevisionKey;
use super::lease::keeper::{KEEPER_BYTES, Keeper};

pub(crate) const KEY_VALUES: TableId = TableId(tables::APPLICATION);
pub(crate) const LEASES: TableId = TableId(tables::APPLICATION + 1);
const STATE: TableId = TableId(tables::APPLICATION + 2);
pub(crate) const ALARMS: TableId = TableId(tables::APPLICATION + 3);
pub(crate) const MEMBERS: TableId = TableId(tables::APPLICATION + 4);
pub(crate) const SEATS: TableId = TableId(tables::APPLICATION + 5);
pub(crate) const REMOVED: TableId = TableId(tables::APPLICATION + 6);
pub(crate) const VERSIONS: TableId = TableId(tables::APPLICATION + 7);
pub(crate) const OWN: TableId = TableId(tables::APPLICATION + 8);

/// Bytes that a row counts towards the quota in addition to its value, for its name and for the memory that it uses.
pub(crate) const ROW_OVERHEAD: i64 = 64;

/// The name of the row of a value or a deletion.
pub(crate) fn key_value(store: StoreId, at: RevisionKey, deleted: bool) -> RowKey {
    let mut key = [b't'; 13];
    key[..8].copy_from_slice(&at.main.cast_unsigned().to_be_bytes());
    key[8..12].copy_from_slice(&at.sub.to_be_bytes());
    RowKey::new(store, KEY_VALUES, if deleted { &key } else { &key[..12] })
}

/// The revision that names a row, and whether the row is a deletion. The name must be one that [`key_value`] made.
/// Panics if it is too short for that.
pub(crate) fn revision_of(row: &RowKey) -> (RevisionKey, bool) {
    let main = u64::from_be_bytes(row.key[..8].try_into().expect("a row name has 12 bytes"));
    let sub = u32::from_be_bytes(row.key[8..12].try_into().expect("a row name has 12 bytes"));
    (RevisionKey { main: main.cast_signed(), sub }, row.key.len() > 12)
}

/// The smallest name of a table, and the smallest name after the table.
pub(crate) fn whole(store: StoreId, table: TableId) -> (RowKey, RowKey) {
    (RowKey::new(store, table, &[]), RowKey::new(store, TableId(table.0 + 1), &[]))
}

/// Whether there are rows that do not belong to etcd's state machine. A file of etcd cannot hold them.
pub(crate) fn has_own(reader: &StoreReader, store: StoreId) -> bool {
    let (from, below) = (RowKey::new(store, OWN, &[]), RowKey::new(StoreId(store.0 + 1), TableId(0), &[]));
    !reader.scan(&from, &below, 1).is_empty()
}

/// Whether there are rows of a program's own state machine.
pub(crate) fn has_program_rows(reader: &StoreReader, store: StoreId) -> bool {
    let (from, below) = whole(store, OWN);
    !reader.scan(&from, &below, 1).is_empty()
}

/// Calls `each` with the rows of a table, in the order of their names.
pub(super) fn each_row(reader: &StoreReader, store: StoreId, table: TableId, each: impl FnMut(RowKey, &[u8])) {
    let (from, below) = whole(store, table);
    reader.stream(&from, &below, each);
}

/// The `u64` at the beginning of a row's name.
pub(crate) fn number(row: &RowKey) -> u64 {
    u64::from_be_bytes(row.key[..8].try_into().expect("a row name has 8 bytes"))
}

pub(crate) fn lease(store: StoreId, id: i64) -> RowKey {
    RowKey::new(store, LEASES, &id.cast_unsigned().to_be_bytes())
}

pub(crate) fn alarm(store: StoreId, member: u64, alarm: i32) -> RowKey {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&member.to_be_bytes());
    key[8..].copy_from_slice(&alarm.to_be_bytes());
    RowKey::new(store, ALARMS, &key)
}

pub(crate) fn member(store: StoreId, id: u64) -> RowKey {
    RowKey::new(store, MEMBERS, &id.to_be_bytes())
}

pub(crate) fn removed_member(store: StoreId, id: u64) -> RowKey {
    RowKey::new(store, REMOVED, &id.to_be_bytes())
}

pub(crate) fn seat(store: StoreId, storage: StorageId) -> RowKey {
    RowKey::new(store, SEATS, &storage.0.to_be_bytes())
}

pub(crate) fn state(store: StoreId) -> RowKey {
    RowKey::new(store, STATE, b"state")
}

/// The counters of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
    pub(crate) keeper: Keeper,
}

impl Counters {
    pub(crate) fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(16 + KEEPER_BYTES);
        out.put_i64_le(self.revision);
        out.put_i64_le(self.compacted);
        self.keeper.put(&mut out);
        out.freeze()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "state row");
        let counters = Self { revision: r.i64()?, compacted: r.i64()?, keeper: Keeper::take(&mut r)? };
        r.end()?;
        Ok(counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_name_rows_in_their_order() {
        let at = |main, sub| RevisionKey { main, sub };
        let names = [
            key_value(StoreId(0), at(2, 0), false),
            key_value(StoreId(0), at(2, 1), true),
            key_value(StoreId(0), at(2, 2), false),
            key_value(StoreId(0), at(300, 0), true),
        ];
        assert!(names.is_sorted());
        assert_eq!(revision_of(&names[1]), (at(2, 1), true));
        assert_eq!(revision_of(&names[3]), (at(300, 0), true));
        let (from, below) = whole(StoreId(0), KEY_VALUES);
        assert!(names.iter().all(|n| from <= *n && *n < below));
    }
}
