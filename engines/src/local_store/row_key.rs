//! Names of rows: store, table and key. Rows are stored in the order of their names.

use naxos_proto::ids::StoreId;
use smallvec::SmallVec;

/// A table within a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableId(pub u8);

/// The tables of the engines. The tables of an application have the numbers from [`tables::APPLICATION`] on.
pub mod tables {
    use super::TableId;

    /// The table of Base with the switches. The key is an engine id; the value says whether the engine is on, and since
    /// which position.
    pub const ENGINES: TableId = TableId(1);
    /// The table of Base with a single row, the genesis: the log id and the cluster version.
    pub const CLUSTER: TableId = TableId(2);
    /// The table of ViewTracking. The key is a storage id; the value is the position from which that storage needs the
    /// log: its persisted cursor or a hold.
    pub const VIEW: TableId = TableId(3);
    /// The table of Session. The key is a storage id; the value is the open session of that storage.
    pub const SESSIONS: TableId = TableId(4);
    /// The number of the application's first table.
    pub const APPLICATION: u8 = 32;
}

/// The length of store and table in an encoded name.
pub(crate) const TABLE_NAME_BYTES: usize = 5;

/// A row's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// The store that the row belongs to.
    pub store: StoreId,
    /// The table within the store.
    pub table: TableId,
    /// The key within the table. Keys are compared as bytes.
    pub key: SmallVec<[u8; 16]>,
}

impl RowKey {
    /// The name of the row with this store, table and key.
    pub fn new(store: StoreId, table: TableId, key: &[u8]) -> Self {
        Self { store, table, key: SmallVec::from_slice(key) }
    }

    /// The smallest name that is larger than this one.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.key.push(0);
        self
    }

    /// The name as redb stores it: store u32 and table u8, big-endian, then the key. Store and table are the first
    /// [`TABLE_NAME_BYTES`].
    pub(crate) fn encode(&self) -> SmallVec<[u8; 32]> {
        let mut out = SmallVec::with_capacity(TABLE_NAME_BYTES + self.key.len());
        out.extend_from_slice(&self.store.0.to_be_bytes());
        out.push(self.table.0);
        out.extend_from_slice(&self.key);
        out
    }

    /// The reverse of [`Self::encode`]. `None` if the bytes are not a name.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (store, rest) = bytes.split_first_chunk::<4>()?;
        let (table, key) = rest.split_first()?;
        Some(Self::new(StoreId(u32::from_be_bytes(*store)), TableId(*table), key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_on_disk_as_in_memory() {
        let names = [
            RowKey::new(StoreId(0), TableId(1), b"b"),
            RowKey::new(StoreId(0), TableId(2), b"a"),
            RowKey::new(StoreId(1), TableId(0), b""),
            RowKey::new(StoreId(256), TableId(0), b"zzzzzzzzzzzzzzzzzzzzzzzz"),
        ];
        for pair in names.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].encode() < pair[1].encode());
            assert_eq!(RowKey::decode(&pair[1].encode()), Some(pair[1].clone()));
        }
    }
}
