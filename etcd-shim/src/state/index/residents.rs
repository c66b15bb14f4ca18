//! Limits the bytes of values that memory holds. Every value is a row of the local store, and values for which memory
//! has no room are only there. Reads fetch them on the Worker `cold-store`. Apply fetches those that a command reads,
//! replaces or deletes.
//!
//! The values to drop from memory are found by a position that moves over the keys in their order, called the hand (the
//! clock algorithm of page caches, without reference bits). So nothing has to note in which order the values are used.
//! Which values memory holds may differ between replicas: this is not part of the state that replicas compare.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::key_entry::{KeyEntry, Live, Value};
use super::tree::Tree;

/// How many keys one step looks at. There is at most one step for each put.
const STEP_KEYS: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Residents {
    bytes: usize,
    bytes_max: usize,
    /// The number of newest values that are in the local store only.
    rows: usize,
    /// Puts since the last [`Self::keep_within`].
    puts: usize,
    /// The key that the hand looks at next.
    hand: Bytes,
}

impl Residents {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes: 0, bytes_max, rows: 0, puts: 0, hand: Bytes::new() }
    }

    /// Whether `bytes` more bytes would still be within the limit.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) <= self.bytes_max
    }

    /// Whether memory holds the newest value of every key.
    pub(crate) fn has_all(&self) -> bool {
        self.rows == 0
    }

    /// A key got a new value. `resident` is the value's length in bytes if memory holds it.
    pub(crate) fn entered(&mut self, resident: Option<usize>) {
        self.puts += 1;
        match resident {
            Some(bytes) => self.bytes += bytes,
            None => self.rows += 1,
        }
    }

    /// A value was replaced or deleted.
    pub(crate) fn left(&mut self, old: &Live) {
        match old.resident() {
            Some(encoded) => self.bytes -= encoded.len(),
            None => self.rows -= 1,
        }
    }

    /// Moves the hand one step for each put, for as long as memory holds too many bytes. To be called between two
    /// commands only: a command relies on the values that were in memory when it began.
    pub(crate) fn keep_within(&mut self, keys: &mut Tree<Arc<KeyEntry>>) {
        for _ in 0..std::mem::take(&mut self.puts) {
            if self.bytes <= self.bytes_max {
                return;
            }
            self.step(keys);
        }
    }

    fn step(&mut self, keys: &mut Tree<Arc<KeyEntry>>) {
        let mut seen = 0;
        let mut going = Vec::new();
        let mut next = None;
        keys.visit(&self.hand, None, |entry| {
            if seen == STEP_KEYS {
                next = Some(entry.key.clone());
                return ControlFlow::Break(());
            }
            seen += 1;
            if entry.live.as_ref().is_some_and(|l| l.resident().is_some()) {
                going.push(entry.key.clone());
            }
            ControlFlow::Continue(())
        });
        self.hand = next.unwrap_or_default();
        for key in going {
            let freed = keys.update(&key, |entry| {
                let live = Arc::make_mut(entry).live.as_mut()?;
                let freed = live.encoded_len();
                live.value = Value::Row(freed);
                Some(freed)
            });
            if let Some(freed) = freed.flatten() {
                self.bytes -= freed;
                self.rows += 1;
            }
            if self.bytes <= self.bytes_max {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use naxos_proto::ids::StoreId;

    use crate::state::index::key_entry::{Live, Value};
    use crate::state::index::revision_key::RevisionKey;
    use crate::state::store::Store;

    #[test]
    fn memory_keeps_within_its_bound_whatever_is_put_and_deleted() {
        let mut store = Store::new(StoreId(0), 10_000);
        let put = |store: &mut Store, key: &str, main: i64| {
            let value = Value::Resident(vec![0; 100].into());
            let live = Live { at: RevisionKey { main, sub: 0 }, create: main, version: 1, lease: 0, value };
            assert!(store.put(key.as_bytes(), |_| Ok::<_, ()>(live)).is_ok());
        };
        let resident = |store: &Store| {
            let mut bytes = 0;
            store.keys.visit(b"", None, |entry| {
                bytes += entry.live.as_ref().and_then(Live::resident).map_or(0, Bytes::len);
                std::ops::ControlFlow::Continue(())
            });
            bytes
        };
        for main in 0..1_000 {
            put(&mut store, &format!("key {:03}", main * 7 % 300), main);
            if main % 5 == 0 {
                let key = format!("key {:03}", main * 3 % 300);
                store.delete(key.as_bytes(), RevisionKey { main, sub: 1 }, b"");
            }
            store.keep_within();
            assert!(resident(&store) <= 10_000, "at revision {main}");
        }
        assert!(resident(&store) > 5_000, "memory holds no more than half of what it may hold");
    }
}
