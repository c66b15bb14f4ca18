//! Finds a key among the sorted keys of a tree node by comparing numbers, not bytes.
//!
//! The keys of one node mostly share a long prefix, and each lies in an allocation of its own: a comparison costs a
//! cache miss or two. So a node keeps the length of the shared prefix and, in one piece of memory, the eight bytes
//! after the prefix of every key ("poor man's normalized keys": Graefe and Larson, B-tree indexes and CPU caches, ICDE
//! 2001, section 3).
//!
//! Invariants: all keys begin with the same `prefix` bytes; the heads are sorted, because the keys are. Several keys
//! may have the same head.

use std::ops::Range;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Guide {
    prefix: usize,
    heads: Vec<u64>,
}

/// The first eight bytes as a number; missing bytes count as zero. If one number is smaller than another, then the
/// bytes that it was made of are smaller, too.
fn head(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)) << (8 * (8 - bytes.len()) % 64),
    }
}

fn shared_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl Guide {
    /// The guide of `len` keys.
    pub(super) fn new<'a>(len: usize, key: impl Fn(usize) -> &'a [u8]) -> Self {
        let prefix = if len == 0 { 0 } else { shared_prefix(key(0), key(len - 1)) };
        Self { prefix, heads: (0..len).map(|at| head(&key(at)[prefix..])).collect() }
    }

    /// The range of positions where `key` may be. The keys before the range are smaller than `key`, the keys after the
    /// range are larger. `any` is one of the node's keys.
    pub(super) fn narrow(&self, key: &[u8], any: &[u8]) -> Range<usize> {
        let len = self.heads.len();
        match key[..key.len().min(self.prefix)].cmp(&any[..self.prefix]) {
            std::cmp::Ordering::Less => 0..0,
            std::cmp::Ordering::Greater => len..len,
            std::cmp::Ordering::Equal => {
                let wanted = head(&key[self.prefix..]);
                let start = self.heads.partition_point(|h| *h < wanted);
                start..start + self.heads[start..].partition_point(|h| *h == wanted)
            }
        }
    }

    /// Adds `key` at position `at`. Returns false if the key does not share the prefix; the caller then needs a new
    /// guide. `any` is one of the other keys.
    #[must_use]
    pub(super) fn insert(&mut self, at: usize, key: &[u8], any: &[u8]) -> bool {
        let fits = key.get(..self.prefix) == Some(&any[..self.prefix]);
        if fits {
            self.heads.insert(at, head(&key[self.prefix..]));
        }
        fits
    }

    /// Removes the key at position `at`.
    pub(super) fn remove(&mut self, at: usize) {
        self.heads.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_narrows_to_where_a_key_belongs(
            keys in prop::collection::btree_set(prop::collection::vec(0u8..3, 0..12), 1..20),
            key in prop::collection::vec(0u8..3, 0..12),
        ) {
            let mut keys: Vec<Vec<u8>> = keys.into_iter().collect();
            let mut guide = Guide::new(keys.len(), |at| &keys[at]);
            let check = |guide: &Guide, keys: &[Vec<u8>]| {
                let range = guide.narrow(&key, &keys[0]);
                keys[..range.start].iter().all(|k| *k < key) && keys[range.end..].iter().all(|k| *k > key)
            };
            prop_assert!(check(&guide, &keys));
            if let Err(at) = keys.binary_search(&key) {
                if !guide.insert(at, &key, &keys[0]) {
                    keys.insert(at, key.clone());
                    guide = Guide::new(keys.len(), |at| &keys[at]);
                } else {
                    keys.insert(at, key.clone());
                }
                prop_assert!(check(&guide, &keys));
                guide.remove(0);
                keys.remove(0);
                prop_assert!(keys.is_empty() || check(&guide, &keys));
            }
        }
    }
}
