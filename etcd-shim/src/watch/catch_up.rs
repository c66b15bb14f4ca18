//! Reading history for watchers that are behind.
//!
//! Rows are named by revision, so history is one scan; it runs on the cold reader's Worker, a bounded piece at a time,
//! at a [`Pace`] that leaves most of a core to everybody else. A piece ends between two revisions, and all watchers whose
//! next revision lies in it get what they want of it. So that they meet, every other piece is that of the last one; so
//! that one that lacks little need not wait for it, the others are those of the first one. When a watcher's next revision
//! is one that the hub has not seen yet, it is live again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos_engines::StoreReader;
use naxos_proto::etcd::twins::WatchResponse;

use super::hub::{Hub, State, WatcherId};
use super::pace::{Pace, Read};
use super::ranges::Ranges;
use super::watcher::{Packet, PacketBuilder, Selection};
use crate::state::SharedStore;
use crate::state::history::{Past, read_history};

/// Rows read at a time.
const PIECE_ROWS: usize = 128;
/// Between two looks at streams that are full.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// What a watcher wants of a piece: its selection, from a revision on.
type Wish = (Selection, i64);

/// A piece of history to read, and for whom.
struct Reading {
    from: i64,
    /// How many there are: the first watcher's and the last one's, or one that has both.
    places: u32,
    wishes: Vec<Wish>,
    /// Watchers with the number of their wish.
    readers: Vec<(WatcherId, usize)>,
}

/// What a look into history brought.
enum Piece {
    /// For each wish its events, if any, and the revision to go on from.
    Read(Vec<Option<Packet>>, i64),
    /// Compacted up to here.
    Compacted(i64),
}

impl Hub {
    pub(super) async fn catch_up_always(&self) {
        loop {
            self.fell_behind.notified().await;
            let clock = &*self.config.clock;
            let mut pace = Pace::new(clock.now(), self.config.store.read().revision);
            let mut of_first = false;
            while !self.state.lock().behind.is_empty() {
                let began = clock.now();
                pace.look(began, self.config.store.read().revision);
                match self.catch_up(of_first).await {
                    Some(read) => pace.rest(clock, began, &read).await,
                    None => clock.sleep(FULL_PAUSE).await,
                }
                of_first = !of_first;
            }
        }
    }

    /// One piece, that of the first watcher or of the last; none if nobody got on.
    async fn catch_up(&self, of_first: bool) -> Option<Read> {
        let Reading { from, places, wishes, readers } = self.state.lock().next_reading(of_first)?;
        let store = Arc::clone(&self.config.store);
        let read = move |reader: &StoreReader| read_piece(&store, reader, &wishes, from);
        let piece = self.config.cold.run(read).await.ok()?;
        let current = self.config.store.read().revision;
        let mut state = self.state.lock();
        let mut moved = false;
        for (id, wish) in readers {
            moved |= self.advance(&mut state, id, &piece, wish, current);
        }
        let revisions = match &piece {
            Piece::Read(_, next) => next.abs_diff(from).max(1),
            Piece::Compacted(_) => 1,
        };
        moved.then_some(Read { rows: PIECE_ROWS, revisions, places })
    }

    /// Gives a watcher its part of a piece, read when the store was at revision `current`; whether it got on.
    fn advance(&self, state: &mut State, id: WatcherId, piece: &Piece, wish: usize, current: i64) -> bool {
        let Some(watcher) = state.watchers.get_mut(&id) else { return true };
        match piece {
            // The piece ended before what it wants.
            Piece::Read(_, next) if *next < watcher.next => false,
            Piece::Read(packets, next) => {
                if let Some(packet) = &packets[wish]
                    && !watcher.send(packet, current.max(packet.last), self.config.fragment_bytes)
                {
                    return false;
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
        }
    }
}

impl State {
    /// The piece that the first watcher or the last one needs next, of those that can take it: reading for a stream that
    /// cannot would only fill memory.
    fn next_reading(&self, of_first: bool) -> Option<Reading> {
        let ready = || {
            let watchers = self.behind.iter().map(|id| (*id, &self.watchers[id]));
            watchers.filter(|(_, watcher)| watcher.outlet.capacity() > 0)
        };
        let nexts = ready().map(|(_, watcher)| watcher.next);
        let (last, first) = nexts.fold(None, |found, next| {
            let (last, first) = found.unwrap_or((next, next));
            Some((next.min(last), next.max(first)))
        })?;
        let from = if of_first { first } else { last };
        // A revision has a row at least.
        let reached_from = |from: i64| from..from.saturating_add_unsigned(PIECE_ROWS as u64);
        let reached = reached_from(from);
        let places = if reached_from(last).contains(&first) { 1 } else { 2 };
        let mut numbers: BTreeMap<Wish, usize> = BTreeMap::new();
        let (mut wishes, mut readers) = (Vec::new(), Vec::new());
        for (id, watcher) in ready().filter(|(_, watcher)| reached.contains(&watcher.next)) {
            let wish = (watcher.selection.clone(), watcher.next);
            let number = *numbers.entry(wish).or_insert_with_key(|wish| {
                wishes.push(wish.clone());
                wishes.len() - 1
            });
            readers.push((id, number));
        }
        Some(Reading { from, places, wishes, readers })
    }
}

fn read_piece(store: &SharedStore, reader: &StoreReader, wishes: &[Wish], from: i64) -> Piece {
    let mut ranges = Ranges::default();
    for (number, (selection, _)) in (0..).zip(wishes) {
        ranges.insert(selection.range.clone(), number);
    }
    let mut told = |key: &[u8], deleted: bool, each: &mut dyn FnMut(usize, &Wish)| {
        ranges.find(key, |number| {
            let number = usize::try_from(number).expect("the index of a wish");
            if wishes[number].0.wants(deleted) {
                each(number, &wishes[number]);
            }
        });
    };
    let past = read_history(store, reader, from, PIECE_ROWS, |key, deleted| {
        let mut wanted = None;
        told(key, deleted, &mut |_, (selection, _)| wanted = Some(wanted.unwrap_or(false) || selection.prev_kv));
        wanted
    });
    match past {
        Past::Compacted(revision) => Piece::Compacted(revision),
        Past::End(revision) => Piece::Read(wishes.iter().map(|_| None).collect(), revision),
        Past::Effects(effects, next) => {
            let mut builders: Vec<PacketBuilder> = wishes.iter().map(|_| PacketBuilder::default()).collect();
            for (revision, effect) in &effects {
                told(&effect.key, effect.deleted, &mut |number, (selection, from)| {
                    if revision >= from {
                        builders[number].add(*revision, effect, selection.prev_kv);
                    }
                });
            }
            Piece::Read(builders.into_iter().map(PacketBuilder::finish).collect(), next)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures::future::BoxFuture;
    use naxos_engines::LocalStore;
    use naxos_proto::etcd::client::etcdserverpb as plain;
    use naxos_proto::etcd::server::etcdserverpb::ResponseHeader;
    use naxos_proto::ids::{Lsn, StoreId};
    use naxos_proto::seams::sim::Drive;
    use naxos_proto::seams::{BootClock, Clock, Instant, WallTime};
    use parking_lot::Mutex;
    use prost::Message;
    use tokio_stream::StreamExt;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::node::cold_reader::ColdReader;
    use crate::state::key_entry::RevisionKey;
    use crate::state::key_value::Fields;
    use crate::state::rows;
    use crate::watch::answers::{Answers, answers};
    use crate::watch::hub::HubConfig;
    use crate::watch::ranges::KeyRange;
    use crate::watch::ring::Ring;
    use crate::watch::watcher::Watcher;

    /// Notes how long it was asked to sleep: then so much time has passed.
    #[derive(Default)]
    struct Rests(Mutex<Vec<Duration>>);

    impl Clock for Rests {
        fn now(&self) -> Instant {
            Instant(0).after(self.0.lock().iter().sum())
        }

        fn wall(&self) -> WallTime {
            WallTime(0)
        }

        fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
            let rest = at.since(self.now());
            self.0.lock().push(rest);
            Box::pin(tokio::task::yield_now())
        }

        fn pause(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::task::yield_now())
        }
    }

    /// Revisions 2 to `last`, puts of the keys "k0" to "k3" in turn; the first half is checkpointed.
    async fn history(last: i64) -> (LocalStore, Arc<SharedStore>) {
        let mut local = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
        let store = SharedStore::rebuild(StoreId(0), &local.reader(), usize::MAX);
        for (lsn, revisions) in [(1, 2..=last / 2), (2, last / 2 + 1..=last)] {
            let mut txn = local.begin();
            for main in revisions {
                let key = format!("k{}", main % 4);
                let fields =
                    Fields { key: key.as_bytes(), create: 2, modified: main, version: main - 1, value: b"v", lease: 0 };
                txn.put(rows::key_value(StoreId(0), RevisionKey { main, sub: 0 }, false), fields.encode());
            }
            txn.commit(Lsn(lsn));
            if lsn == 1 {
                let stopped = CancellationToken::new();
                stopped.cancel();
                local.checkpointer(0).run(stopped, |_| ()).await.expect("a checkpoint");
            }
        }
        store.write().revision = last;
        (local, store)
    }

    fn watcher(range: KeyRange, next: i64) -> (Watcher, Answers) {
        let (outlet, answers) = answers();
        let watcher = Watcher {
            id: 0,
            stream: 1,
            selection: Selection { range, prev_kv: false, no_put: false, no_delete: false },
            fragment: false,
            progress_notify: false,
            busy: false,
            start: next,
            next,
            outlet,
            header: ResponseHeader::default(),
        };
        (watcher, answers)
    }

    /// Lets watchers catch up with revisions up to `last`: the answers of each, and the rests between two pieces.
    async fn caught_up(last: i64, watchers: Vec<(Watcher, Answers)>) -> (Vec<Vec<WatchResponse>>, Vec<Duration>) {
        let (local, store) = history(last).await;
        let (cold, reads) = ColdReader::new();
        let rests = Arc::new(Rests::default());
        let hub = Hub::new(HubConfig {
            ring: Ring::new(last),
            store,
            cold,
            clock: rests.clone(),
            progress_interval: Duration::from_secs(600),
            fragment_bytes: usize::MAX,
            slow_watchers: Arc::new(AtomicUsize::new(0)),
        });
        let mut outlets = Vec::new();
        for (watcher, answers) in watchers {
            hub.add(&mut hub.state.lock(), watcher);
            outlets.push(answers);
        }
        let all = async {
            while !hub.state.lock().behind.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = all => {}
            () = hub.catch_up_always() => {}
            () = reads.run(local.reader(), CancellationToken::new()) => {}
        }
        drop(hub);
        let mut told = Vec::new();
        for answers in outlets {
            told.push(answers.map(|answer| answer.expect("an answer")).collect().await);
        }
        let rests = std::mem::take(&mut *rests.0.lock());
        (told, rests)
    }

    #[tokio::test]
    async fn a_watcher_that_gets_on_rests_for_no_full_stream() {
        let all = KeyRange { from: "k".into(), below: None };
        let (told, rests) = caught_up(10 * PIECE_ROWS as i64 + 1, vec![watcher(all, 2)]).await;
        assert!(told[0].iter().all(|answer| !answer.events.is_empty()));
        assert!((10..=11).contains(&told[0].len()), "{} pieces", told[0].len());
        assert!(rests.len() >= 9 && rests.iter().all(|rest| *rest < FULL_PAUSE), "{rests:?}");
    }

    #[tokio::test]
    async fn what_fits_one_piece_is_one_answer_as_in_etcd() {
        let all = KeyRange { from: "k".into(), below: None };
        let (told, _) = caught_up(4, vec![watcher(all, 2)]).await;
        assert_eq!(told[0].len(), 1);
    }

    #[tokio::test]
    async fn watchers_that_are_behind_read_history_together_and_each_gets_what_it_wants() {
        const PIECES: i64 = 20;
        let last = PIECES * PIECE_ROWS as i64 + 1;
        let key = |watcher: i64| watcher % 4;
        let starts: Vec<i64> = (0..100).map(|i| 2 + i * i * last / 11_000).collect();
        let of_key =
            |i: i64| KeyRange { from: format!("k{}", key(i)).into(), below: Some(format!("k{}~", key(i)).into()) };
        let watchers = (0..).zip(&starts).map(|(i, start)| watcher(of_key(i), *start)).collect();
        let (told, rests) = caught_up(last, watchers).await;
        for (i, (start, answers)) in (0..).zip(starts.iter().zip(told)) {
            let events = answers
                .iter()
                .flat_map(|answer| plain::WatchResponse::decode(&answer.events[..]).expect("events").events);
            let revisions: Vec<i64> = events.map(|event| event.kv.expect("a key").mod_revision).collect();
            let wanted: Vec<i64> = (*start..=last).filter(|revision| revision % 4 == key(i)).collect();
            assert_eq!(revisions, wanted, "watcher {i} from {start}");
        }
        assert!(rests.len() < 3 * PIECES as usize, "{} pieces for {PIECES} pieces of history", rests.len());
    }
}
