//! [`AuxCache`]: data beside the entries of a log.

use std::collections::BTreeMap;

use bytes::Bytes;
use naxos_proto::ids::Lsn;
use parking_lot::Mutex;

/// What an item takes in memory besides its data.
const ITEM_OVERHEAD: usize = 64;

#[derive(Default)]
struct State {
    kept: BTreeMap<Lsn, Bytes>,
    bytes: usize,
}

/// Data that a program computed from entries, for example its state after an entry (Boki, SOSP'21, section 3: auxiliary
/// data). It is a cache of this process: it is not durable and not replicated, and any part of it may be gone. So only what
/// can be computed from the log again belongs here. If the cache is full, the data at the lowest positions goes first.
///
/// ```
/// use naxos_client::streams::AuxCache;
/// use naxos_proto::ids::Lsn;
///
/// let balances = AuxCache::new(1 << 20);
/// // The balance of an account after the entry at position 7.
/// balances.set(Lsn(7), 90_i64.to_le_bytes().to_vec());
///
/// // Who wants the balance after the entry at 20 begins at 7, if the cache still has it, and not at the oldest entry.
/// let (from, mut balance) = match balances.newest_below(Lsn(20)) {
///     Some((position, bytes)) => (position.next(), i64::from_le_bytes(bytes[..].try_into()?)),
///     None => (Lsn(0), 0),
/// };
/// assert_eq!((from, balance), (Lsn(8), 90));
/// balance -= 30; // what the entries from `from` on say
/// balances.set(Lsn(20), balance.to_le_bytes().to_vec());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AuxCache {
    state: Mutex<State>,
    max_bytes: usize,
}

impl AuxCache {
    /// An empty cache for about `max_bytes` bytes.
    pub fn new(max_bytes: usize) -> Self {
        Self { state: Mutex::default(), max_bytes }
    }

    /// Keeps `data` beside the entry at `position`, instead of what was there. Data that is larger than the cache is not
    /// kept.
    pub fn set(&self, position: Lsn, data: impl Into<Bytes>) {
        let data = data.into();
        let bytes = data.len() + ITEM_OVERHEAD;
        let mut state = self.state.lock();
        if let Some(old) = state.kept.remove(&position) {
            state.bytes -= old.len() + ITEM_OVERHEAD;
        }
        if bytes > self.max_bytes {
            return;
        }
        state.kept.insert(position, data);
        state.bytes += bytes;
        while state.bytes > self.max_bytes {
            let (_, old) = state.kept.pop_first().expect("it holds bytes");
            state.bytes -= old.len() + ITEM_OVERHEAD;
        }
    }

    /// The data beside the entry at `position`, if it is still here.
    pub fn get(&self, position: Lsn) -> Option<Bytes> {
        self.state.lock().kept.get(&position).cloned()
    }

    /// The data at the highest position below `below`, and that position. A program that keeps its state here goes on from
    /// there.
    pub fn newest_below(&self, below: Lsn) -> Option<(Lsn, Bytes)> {
        self.state.lock().kept.range(..below).next_back().map(|(position, data)| (*position, data.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_forgets_the_lowest_positions() {
        let cache = AuxCache::new(2 * (2 + ITEM_OVERHEAD));
        cache.set(Lsn(5), "ab");
        cache.set(Lsn(9), "cd");
        cache.set(Lsn(9), "e");
        assert_eq!(cache.get(Lsn(5)).as_deref(), Some(&b"ab"[..]));
        assert_eq!(cache.newest_below(Lsn(9)), Some((Lsn(5), Bytes::from("ab"))));
        cache.set(Lsn(7), "fg");
        assert_eq!((cache.get(Lsn(5)), cache.newest_below(Lsn(100))), (None, Some((Lsn(9), Bytes::from("e")))));
        cache.set(Lsn(11), vec![0; 200]);
        assert_eq!(cache.newest_below(Lsn(100)), Some((Lsn(9), Bytes::from("e"))), "too large, so nothing makes room");
        cache.set(Lsn(9), vec![0; 200]);
        assert_eq!(cache.newest_below(Lsn(100)), Some((Lsn(7), Bytes::from("fg"))), "what was there is out of date");
    }
}
