//! Reading history for watchers that are behind.
//!
//! History is read on the Worker `cold-store`, a bounded piece at a time, at a [`Pace`] that leaves the cores to other
//! work. A piece ends between two revisions. A watcher is live again as soon as its next revision is one that the hub
//! has not taken out of the ring yet, because from then on the hub delivers the events to the watcher. There are two
//! ways to read a piece (see [`Way`]):
//!
//! 1. The index tells which revisions changed the keys of a watcher's range. A watcher of a quiet key is live again
//!    after one look, however far behind it was.
//! 2. If looking at the keys of a watcher's range costs more than reading the rows, all rows are read. One piece serves
//!    all such watchers whose next revision lies within it. Each round reads a piece for the watcher that is furthest
//!    behind. So the watchers meet, and then read on together. The round also reads a piece for the watcher that is
//!    least behind, so that this one need not wait for the others.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use naxos_engines::StoreReader;
use naxos_proto::etcd::twins::WatchResponse;

use super::hub::{Hub, State, WatcherId};
use super::pace::{Pace, Read};
use super::piece::{KEYS_PER_ROW, LOOKUP_KEYS_MAX, PIECE_ROWS, Piece, Wish, look_up, scan};
use super::watcher::{Watcher, Way};

/// The pause after an attempt to read history in which no watcher advanced, because the watchers' streams are full.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// Watchers that wait for history, and what they want.
#[derive(Default)]
struct Reading {
    wishes: Vec<Wish>,
    /// The watchers, each with the index of its wish in `wishes`.
    readers: Vec<(WatcherId, usize)>,
}

/// What a piece of history did for its watchers.
#[derive(Clone, Copy)]
struct Progress {
    /// About how many rows were read.
    rows: usize,
    /// By how many revisions the watcher that was furthest behind advanced. If the index was asked, this is the
    /// smallest number of revisions by which a watcher advanced.
    revisions: u64,
    /// Whether some of the piece's watchers are still behind.
    is_behind: bool,
}

impl Hub {
    /// Lets watchers that fall behind catch up. Never ends.
    pub(super) async fn catch_up_always(&self) {
        loop {
            self.fell_behind.notified().await;
            let clock = &*self.config.clock;
            let mut pace = Pace::new(clock.now(), self.config.store.read().revision);
            while !self.state.lock().behind.is_empty() {
                let began = clock.now();
                pace.look(began, self.config.store.read().revision, || clock.core_wait());
                match self.catch_up().await {
                    Some(read) => pace.rest(clock, began, &read).await,
                    None => clock.sleep(FULL_PAUSE).await,
                }
            }
        }
    }

    /// Reads the next pieces: those that the index finds, and at most two whose rows are all read. Returns what was
    /// read; `None` if no watcher advanced.
    async fn catch_up(&self) -> Option<Read> {
        let lookup = self.state.lock().next_lookup();
        let looked_up = match lookup {
            Some(reading) => self.look_up(reading).await,
            None => None,
        };
        let scans = self.state.lock().next_scans();
        let (mut last, mut first) = (None, None);
        if let Some((last_reading, first_reading)) = scans {
            last = self.scan(last_reading).await;
            if let Some(reading) = first_reading {
                first = self.scan(reading).await;
            }
        }
        let pieces: Vec<Progress> = looked_up.into_iter().chain(last).chain(first).collect();
        // The last piece of a watcher that has just caught up covers few revisions, and few revisions make the pause
        // after the pieces short. So this piece does not count while other watchers are behind.
        let all_are_live = pieces.iter().all(|piece| !piece.is_behind);
        let counted = pieces.iter().filter(|piece| all_are_live || piece.is_behind);
        let revisions = counted.map(|piece| piece.revisions).min()?;
        Some(Read { rows: pieces.iter().map(|piece| piece.rows).sum(), revisions })
    }

    /// Asks the index for the changes that watchers want. Returns `None` if no watcher advanced.
    async fn look_up(&self, reading: Reading) -> Option<Progress> {
        let store = Arc::clone(&self.config.store);
        let Reading { wishes, readers } = reading;
        let look_up = move |reader: &StoreReader| {
            let (mut pieces, mut keys) = (Vec::new(), 0);
            for wish in &wishes {
                if keys > LOOKUP_KEYS_MAX {
                    break;
                }
                let (piece, looked_at) = look_up(&store, reader, wish);
                pieces.push((piece, wish.1));
                keys += looked_at;
            }
            (pieces, keys)
        };
        let (pieces, keys) = self.config.cold.run(look_up).await.ok()?;
        let current = self.config.store.read().revision;
        let mut state = self.state.lock();
        let mut progress: Option<Progress> = None;
        // When enough keys were looked at, the loop above stopped. The remaining wishes are looked up later.
        for (id, number) in readers.iter().filter(|(_, number)| *number < pieces.len()) {
            let (piece, from) = &pieces[*number];
            if !self.advance(&mut state, *id, piece, current) {
                continue;
            }
            let is_behind = state.behind.contains(id);
            let revisions = piece.revisions_from(*from);
            progress = Some(match progress {
                Some(so_far) => Progress {
                    revisions: so_far.revisions.min(revisions),
                    is_behind: so_far.is_behind || is_behind,
                    ..so_far
                },
                None => Progress { rows: keys / KEYS_PER_ROW + 1, revisions, is_behind },
            });
        }
        progress
    }

    /// Reads all rows of a piece. Returns `None` if no watcher advanced.
    async fn scan(&self, (from, reading): (i64, Reading)) -> Option<Progress> {
        let store = Arc::clone(&self.config.store);
        let Reading { wishes, readers } = reading;
        let read = move |reader: &StoreReader| scan(&store, reader, &wishes, from);
        let pieces = self.config.cold.run(read).await.ok()?;
        let current = self.config.store.read().revision;
        let mut state = self.state.lock();
        let mut moved = false;
        for (id, number) in &readers {
            moved |= self.advance(&mut state, *id, &pieces[*number], current);
        }
        let is_behind = readers.iter().any(|(id, _)| state.behind.contains(id));
        let revisions = pieces.first().map_or(1, |piece| piece.revisions_from(from));
        moved.then_some(Progress { rows: PIECE_ROWS, revisions, is_behind })
    }

    /// Gives a watcher its piece. `current` is the store's revision after the piece was read; the headers of the
    /// answers show it. Returns whether the watcher advanced, ended, or changed its way.
    fn advance(&self, state: &mut State, id: WatcherId, piece: &Piece, current: i64) -> bool {
        let Some(watcher) = state.watchers.get_mut(&id) else { return true };
        match piece {
            // The piece ended before the watcher's next revision.
            Piece::Read(_, next) if *next < watcher.next => false,
            Piece::Read(packets, next) => {
                for (sent, packet) in packets.iter().enumerate() {
                    if !watcher.send(packet, current.max(packet.last), self.config.fragment_bytes) {
                        return sent > 0;
                    }
                }
                watcher.next = *next;
                if *next > state.seen {
                    self.go_live(state, id);
                }
                true
            }
            Piece::Compacted(revision) if *revision <= watcher.next => false,
            Piece::Compacted(revision) => {
                let answer = WatchResponse { canceled: true, compact_revision: *revision, ..watcher.answer(0) };
                if watcher.outlet.try_send(Ok(answer.into())).is_err() {
                    return false;
                }
                self.remove(state, id);
                true
            }
            Piece::NotByIndex => {
                watcher.way = Way::Scan;
                true
            }
        }
    }
}

impl State {
    /// The watchers that read history in this way and whose streams have room. Reading for a full stream would only
    /// fill memory.
    fn ready(&self, way: Way) -> Vec<(WatcherId, &Watcher)> {
        let behind = self.behind.iter().map(|id| (*id, &self.watchers[id]));
        behind.filter(|(_, watcher)| watcher.way == way && watcher.outlet.capacity() > 0).collect()
    }

    /// What watchers want from the index; `None` if none of them waits for it.
    fn next_lookup(&self) -> Option<Reading> {
        let ready = self.ready(Way::Index);
        (!ready.is_empty()).then(|| Reading::of(ready.into_iter()))
    }

    /// The next pieces for the watcher that is furthest behind and for the one that is least behind, each with the
    /// revision at which it begins; only one piece if both watchers need the same.
    fn next_scans(&self) -> Option<((i64, Reading), Option<(i64, Reading)>)> {
        let ready = self.ready(Way::Scan);
        let nexts = || ready.iter().map(|(_, watcher)| watcher.next);
        let (last, first) = (nexts().min()?, nexts().max()?);
        let reading = |from: i64| {
            let reached = reached_from(from);
            (from, Reading::of(ready.iter().copied().filter(|(_, watcher)| reached.contains(&watcher.next))))
        };
        Some((reading(last), (!reached_from(last).contains(&first)).then(|| reading(first))))
    }
}

/// The revisions that a piece from `from` on can reach at most: each revision has at least one row.
fn reached_from(from: i64) -> Range<i64> {
    from..from.saturating_add_unsigned(PIECE_ROWS as u64)
}

impl Reading {
    fn of<'a>(watchers: impl Iterator<Item = (WatcherId, &'a Watcher)>) -> Self {
        let mut reading = Self::default();
        let mut numbers: BTreeMap<Wish, usize> = BTreeMap::new();
        for (id, watcher) in watchers {
            let wish = (watcher.selection.clone(), watcher.next);
            let number = *numbers.entry(wish).or_insert_with_key(|wish| {
                reading.wishes.push(wish.clone());
                reading.wishes.len() - 1
            });
            reading.readers.push((id, number));
        }
        reading
    }
}

#[cfg(test)]
#[path = "catch_up_tests.rs"]
mod tests;
