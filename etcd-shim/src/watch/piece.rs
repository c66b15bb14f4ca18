//! A piece of history for watchers that are behind, read in one of two ways: see [`super::catch_up`].

use naxos_engines::StoreReader;

use super::packet::{Packet, PacketBuilder};
use super::ranges::Ranges;
use super::watcher::Selection;
use crate::state::SharedStore;
use crate::state::kv::changes::{Wanted, find_changes};
use crate::state::kv::history::{Past, read_history};

/// How many rows are read at a time, and how many changes are taken from the index at a time.
pub(super) const PIECE_ROWS: usize = 128;
/// After this many keys of the index, a look at the index stops. So it keeps the Worker `cold-store` busy only for some
/// milliseconds.
pub(super) const LOOKUP_KEYS_MAX: usize = 65_536;
/// A look at the index may always look at this many keys, even if it can skip only few revisions.
const LOOKUP_KEYS_MIN: usize = 64;
/// Reading a row costs as much as looking at this many keys of the index.
pub(super) const KEYS_PER_ROW: usize = 4;

/// What a watcher wants of a piece: its selection, and the revision to start from.
pub(super) type Wish = (Selection, i64);

/// The result of a look into history for one wish.
pub(super) enum Piece {
    /// The events, and the revision to go on from.
    Read(Vec<Packet>, i64),
    /// The revision to start from is compacted. The value is the store's compacted revision.
    Compacted(i64),
    /// The index does not help: all rows have to be read.
    NotByIndex,
}

impl Piece {
    /// By how many revisions a watcher that was at `from` advances; at least 1.
    pub(super) fn revisions_from(&self, from: i64) -> u64 {
        match self {
            Piece::Read(_, next) => next.abs_diff(from).max(1),
            Piece::Compacted(_) | Piece::NotByIndex => 1,
        }
    }
}

/// Asks the index for a piece. Returns it with the number of keys looked at.
pub(super) fn look_up(store: &SharedStore, reader: &StoreReader, (selection, from): &Wish) -> (Piece, usize) {
    let current = store.read().revision;
    // Looking at keys is worth it if it costs less than reading the rows of the revisions that it skips.
    let worth = |next: i64| {
        let revisions = usize::try_from(next.saturating_sub(*from)).unwrap_or(0);
        revisions.saturating_mul(KEYS_PER_ROW).clamp(LOOKUP_KEYS_MIN, LOOKUP_KEYS_MAX)
    };
    let keys_max = worth(current);
    let wanted = Wanted {
        from_key: &selection.range.from,
        below: selection.range.below.as_deref(),
        from: *from,
        deletes: !selection.no_delete,
        puts: !selection.no_put,
        prev_kv: selection.prev_kv,
    };
    let Some((past, keys)) = find_changes(store, reader, &wanted, PIECE_ROWS, keys_max) else {
        return (Piece::NotByIndex, keys_max);
    };
    match past {
        Past::Compacted(revision) => (Piece::Compacted(revision), keys),
        Past::End(revision) => (Piece::Read(Vec::new(), revision), keys),
        Past::Effects(_, next) if next <= current && keys > worth(next) => (Piece::NotByIndex, keys),
        Past::Effects(effects, next) => {
            let mut builder = PacketBuilder::default();
            for (revision, effect) in &effects {
                builder.add(*revision, effect, selection.prev_kv);
            }
            (Piece::Read(builder.finish(), next), keys)
        }
    }
}

/// Reads all rows of the piece that begins at revision `from`. Returns one piece for each wish, in their order.
pub(super) fn scan(store: &SharedStore, reader: &StoreReader, wishes: &[Wish], from: i64) -> Vec<Piece> {
    let mut ranges = Ranges::default();
    for (number, (selection, _)) in (0..).zip(wishes) {
        ranges.insert(selection.range.clone(), number);
    }
    let mut of_change = |key: &[u8], deleted: bool, each: &mut dyn FnMut(usize, &Wish)| {
        ranges.find(key, |number| {
            let number = usize::try_from(number).expect("the index of a wish");
            if wishes[number].0.wants(deleted) {
                each(number, &wishes[number]);
            }
        });
    };
    let past = read_history(store, reader, from, PIECE_ROWS, |key, deleted| {
        let mut wanted = None;
        of_change(key, deleted, &mut |_, (selection, _)| {
            wanted = Some(wanted.unwrap_or(false) || selection.prev_kv);
        });
        wanted
    });
    match past {
        Past::Compacted(revision) => wishes.iter().map(|_| Piece::Compacted(revision)).collect(),
        Past::End(revision) => wishes.iter().map(|_| Piece::Read(Vec::new(), revision)).collect(),
        Past::Effects(effects, next) => {
            let mut builders: Vec<PacketBuilder> = wishes.iter().map(|_| PacketBuilder::default()).collect();
            for (revision, effect) in &effects {
                of_change(&effect.key, effect.deleted, &mut |number, (selection, from)| {
                    if revision >= from {
                        builders[number].add(*revision, effect, selection.prev_kv);
                    }
                });
            }
            builders.into_iter().map(|builder| Piece::Read(builder.finish(), next)).collect()
        }
    }
}
