//! The view: for each server the position from which it needs the log. A row for each server is in the local store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use naxos_proto::ids::{Lsn, StorageId, StoreId};
use parking_lot::Mutex;

use super::PROGRAMS;
use super::header::Told;
use crate::local_store::{RowKey, StoreReader, TableId, Txn, tables};

/// The view at the local store's cursor, and what this server has applied since it told its own cursor. The upper half
/// changes it; the lower half reads it.
pub(super) struct View {
    viewed: Mutex<Viewed>,
    /// See `HeldLog::servers_min`.
    servers_min: Arc<AtomicUsize>,
}

/// The end of a row whose position is a hold: another server holds the log for the row's server, which has not told
/// since then that its cursor is at this position or above it.
const HELD: &[u8] = b"h";

/// See [`View`].
#[derive(Clone, Debug, Default)]
pub(super) struct Viewed {
    pub(super) cursors: BTreeMap<StorageId, Lsn>,
    /// The servers whose position is a hold.
    pub(super) holds: BTreeSet<StorageId>,
    /// Bytes of the entries that were applied since this server's cursor in the view was changed, or since the start.
    pub(super) untold_bytes: usize,
    /// How many times a server was left out of the view since the start.
    pub(super) ejections: u64,
}

impl Viewed {
    /// How much of a log of `bytes` is kept for servers only, and not for programs that use it directly. `persisted` is the
    /// cursor of this server. The entries are taken to be of equal size.
    pub(super) fn bytes_for_servers(&self, bytes: u64, persisted: Lsn) -> u64 {
        let Some(programs) = self.cursors.get(&PROGRAMS).copied() else { return bytes };
        let lowest = self.cursors.values().min().copied().unwrap_or(programs);
        let (kept, for_servers) = (persisted.max(programs).distance_from(lowest), programs.distance_from(lowest));
        let share = u128::from(bytes) * u128::from(for_servers) / u128::from(kept.max(1));
        u64::try_from(share).unwrap_or(bytes)
    }
}

/// The row of a server: storage id u64 (big-endian) to position u64 (big-endian), and [`HELD`] if it is a hold.
fn row(storage: StorageId) -> RowKey {
    RowKey::new(StoreId(0), tables::VIEW, &storage.0.to_be_bytes())
}

/// The value of a row.
fn encode(at: Lsn, is_held: bool) -> Bytes {
    [&at.0.to_be_bytes()[..], if is_held { HELD } else { b"" }].concat().into()
}

/// The position in the value of a row, and whether it is a hold.
fn decode(value: &[u8]) -> Option<(Lsn, bool)> {
    let (position, end) = value.split_at_checked(8)?;
    let position = Lsn(u64::from_be_bytes(position.try_into().ok()?));
    (end.is_empty() || end == HELD).then_some((position, !end.is_empty()))
}

impl View {
    /// Reads the view from the local store. Panics if a row is damaged.
    pub(super) fn load(reader: &StoreReader, servers_min: Arc<AtomicUsize>) -> Self {
        let (mut cursors, mut holds) = (BTreeMap::new(), BTreeSet::new());
        let from = RowKey::new(StoreId(0), tables::VIEW, &[]);
        let end = RowKey::new(StoreId(0), TableId(tables::VIEW.0 + 1), &[]);
        reader.stream(&from, &end, |key, value| {
            let (storage, decoded) = (<[u8; 8]>::try_from(&key.key[..]), decode(value));
            let (Ok(storage), Some((cursor, is_held))) = (storage, decoded) else {
                panic!("a row of the view is damaged")
            };
            let storage = StorageId(u64::from_be_bytes(storage));
            cursors.insert(storage, cursor);
            if is_held {
                holds.insert(storage);
            }
        });
        Self { viewed: Mutex::new(Viewed { cursors, holds, ..Viewed::default() }), servers_min }
    }

    pub(super) fn now(&self) -> Viewed {
        self.viewed.lock().clone()
    }

    /// The position of one server.
    pub(super) fn cursor(&self, storage: StorageId) -> Option<Lsn> {
        self.viewed.lock().cursors.get(&storage).copied()
    }

    /// The position below which no server of the view needs the log. `None` if too few servers have told a cursor: the
    /// log is then still needed as another copy of the state.
    pub(super) fn least(&self) -> Option<Lsn> {
        let viewed = self.viewed.lock();
        let durable = viewed.cursors.keys().filter(|storage| !viewed.holds.contains(storage)).count();
        viewed.cursors.values().min().copied().filter(|_| durable >= self.servers_min.load(Ordering::Relaxed))
    }

    /// Notes that an entry of `bytes` was applied.
    pub(super) fn applied(&self, bytes: usize) {
        let mut viewed = self.viewed.lock();
        viewed.untold_bytes = viewed.untold_bytes.saturating_add(bytes);
    }

    /// Applies what an entry tells. Returns whether the view has changed. `own` is this server.
    ///
    /// A position never goes down while its server is in the view. An entry may tell a position that is below the known
    /// one. Such an entry changes nothing.
    pub(super) fn apply(&self, txn: &mut Txn<'_>, told: Told, own: StorageId) -> bool {
        let mut viewed = self.viewed.lock();
        let (Told::Persisted(storage, at) | Told::Hold(storage, at) | Told::Eject(storage, at)) = told;
        let known = viewed.cursors.get(&storage).copied();
        let was_held = viewed.holds.contains(&storage);
        match told {
            Told::Persisted(..) if known.is_none_or(|known| known < at || (known == at && was_held)) => {
                viewed.cursors.insert(storage, at);
                viewed.holds.remove(&storage);
                txn.put(row(storage), encode(at, false));
            }
            Told::Hold(..) if known.is_none_or(|known| known < at) => {
                viewed.cursors.insert(storage, at);
                viewed.holds.insert(storage);
                txn.put(row(storage), encode(at, true));
            }
            Told::Eject(..) if known == Some(at) => {
                viewed.cursors.remove(&storage);
                viewed.holds.remove(&storage);
                txn.delete(row(storage));
                viewed.ejections += 1;
            }
            _ => return false,
        }
        if storage == own {
            viewed.untold_bytes = 0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_programs_is_not_kept_for_servers() {
        let viewed = |cursors: &[(u64, u64)]| {
            let cursors = cursors.iter().map(|(storage, at)| (StorageId(*storage), Lsn(*at))).collect();
            Viewed { cursors, ..Viewed::default() }
        };
        let bytes = |cursors: &[(u64, u64)]| viewed(cursors).bytes_for_servers(1_000, Lsn(105));
        assert_eq!(bytes(&[(1, 5)]), 1_000, "no program uses the log");
        assert_eq!(bytes(&[(1, 105), (2, 9), (PROGRAMS.0, 5)]), 0);
        assert_eq!(bytes(&[(1, 105), (2, 5), (PROGRAMS.0, 30)]), 250);
        assert_eq!(bytes(&[(1, 105), (2, 5), (PROGRAMS.0, 300)]), 1_000);
    }

    #[test]
    fn a_hold_is_still_one_after_a_start() {
        for is_held in [false, true] {
            assert_eq!(decode(&encode(Lsn(7), is_held)), Some((Lsn(7), is_held)));
        }
        for damaged in [&b"1234567"[..], b"12345678x", b"12345678hh"] {
            assert_eq!(decode(damaged), None);
        }
    }
}
