//! The running checksum of all changes that entries make, in the order of the log. It is equal on all replicas at equal
//! positions (safety rule 9). Purges belong to no entry, so the checksum does not cover them.
//!
//! It is a crc32 over one frame for each change: kind u8 (0 delete, 1 put), store id u32, table u8, length of the key
//! u32, length of the value u32 (little-endian), key, value. The lengths come first, so that two different lists of
//! changes never give the same bytes.

use crate::local_store::row_key::RowKey;

const DELETE: u8 = 0;
const PUT: u8 = 1;

/// The running checksum of the changes that entries make; see the module.
#[derive(Clone, Debug)]
pub(crate) struct RunningChecksum(crc32fast::Hasher);

impl RunningChecksum {
    /// Continues from the checksum of everything before.
    pub(crate) fn after(checksum: u64) -> Self {
        let sum = u32::try_from(checksum).expect("a running checksum has 32 bits");
        Self(crc32fast::Hasher::new_with_initial(sum))
    }

    /// Adds a row that was set.
    pub(crate) fn put(&mut self, key: &RowKey, value: &[u8]) {
        self.frame(PUT, key, value);
    }

    /// Adds a row that was deleted.
    pub(crate) fn delete(&mut self, key: &RowKey) {
        self.frame(DELETE, key, &[]);
    }

    fn frame(&mut self, kind: u8, name: &RowKey, value: &[u8]) {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a row is far below 4 GiB").to_le_bytes();
        let mut head = [0; 14];
        head[0] = kind;
        head[1..5].copy_from_slice(&name.store.0.to_le_bytes());
        head[5] = name.table.0;
        head[6..10].copy_from_slice(&length(&name.key));
        head[10..].copy_from_slice(&length(value));
        self.0.update(&head);
        self.0.update(&name.key);
        self.0.update(value);
    }

    /// The checksum of everything so far.
    pub(crate) fn value(&self) -> u64 {
        self.0.clone().finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::StoreId;

    use super::*;
    use crate::local_store::TableId;

    fn name(store: u32, table: u8, key: &[u8]) -> RowKey {
        RowKey::new(StoreId(store), TableId(table), key)
    }

    fn sum(changes: impl FnOnce(&mut RunningChecksum)) -> u64 {
        let mut sum = RunningChecksum::after(0);
        changes(&mut sum);
        sum.value()
    }

    #[test]
    fn rule_9_changes_that_differ_in_one_respect_have_different_checksums() {
        let changes = [
            sum(|c| c.put(&name(0, 40, b"ab"), b"")),
            sum(|c| c.delete(&name(0, 40, b"ab"))),
            sum(|c| c.put(&name(0, 40, b"a"), b"b")),
            sum(|c| c.put(&name(1, 40, b"ab"), b"")),
            sum(|c| c.put(&name(0, 41, b"ab"), b"")),
            sum(|c| {
                c.put(&name(0, 40, b"a"), b"");
                c.put(&name(0, 40, b"b"), b"");
            }),
        ];
        for (i, a) in changes.iter().enumerate() {
            for b in &changes[i + 1..] {
                assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn a_checksum_goes_on_where_it_ended() {
        let at_once = sum(|c| {
            c.put(&name(0, 40, b"a"), b"1");
            c.delete(&name(0, 40, b"a"));
        });
        let mut resumed = RunningChecksum::after(sum(|c| c.put(&name(0, 40, b"a"), b"1")));
        resumed.delete(&name(0, 40, b"a"));
        assert_eq!(resumed.value(), at_once);
    }
}
