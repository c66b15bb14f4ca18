//! Reading history for watchers that are behind.
//!
//! Rows are named by revision, so history is one scan; it runs on the cold reader's Worker, a bounded piece at a time,
//! at a [`Pace`] that leaves most of a core to everybody else. A piece ends between two revisions, and all watchers whose
//! next revision lies in it get what they want of it. So that they meet, the last one's piece is read each time; so that
//! one that lacks little need not wait for it, the first one's is, too. When a watcher's next revision is one that the hub
//! has not seen yet, it is live again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use naxos_engines::StoreReader;
use naxos_proto::etcd::twins::WatchResponse;

use super::hub::{Hub, State, WatcherId};
use super::pace::{Pace, Read};
use super::ranges::Ranges;
use super::watcher::{Packet, PacketBuilder, Selection, Watcher};
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
    wishes: Vec<Wish>,
    /// Watchers with the number of their wish.
    readers: Vec<(WatcherId, usize)>,
}

/// What reading a piece did for its readers.
struct Progress {
    /// How many revisions they got on.
    revisions: u64,
    /// Whether some of them are behind still.
    is_behind: bool,
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
            while !self.state.lock().behind.is_empty() {
                let began = clock.now();
                pace.look(began, self.config.store.read().revision);
                match self.catch_up().await {
                    Some(read) => pace.rest(clock, began, &read).await,
                    None => clock.sleep(FULL_PAUSE).await,
                }
            }
        }
    }

    /// The last watcher's piece, and the first one's if that is another; none if nobody got on.
    async fn catch_up(&self) -> Option<Read> {
        let (last, first) = self.state.lock().next_readings()?;
        let last = self.read(last).await;
        let first = match first {
            Some(reading) => self.read(reading).await,
            None => None,
        };
        let pieces: Vec<Progress> = last.into_iter().chain(first).collect();
        // Who is there, by the few revisions that were left, has to gain on nobody.
        let is_there = pieces.iter().all(|piece| !piece.is_behind);
        let counts = pieces.iter().filter(|piece| is_there || piece.is_behind);
        let revisions = counts.map(|piece| piece.revisions).min()?;
        Some(Read { rows: pieces.len() * PIECE_ROWS, revisions })
    }

    /// Reads a piece; none if no reader got on.
    async fn read(&self, Reading { from, wishes, readers }: Reading) -> Option<Progress> {
        let store = Arc::clone(&self.config.store);
        let read = move |reader: &StoreReader| read_piece(&store, reader, &wishes, from);
        let piece = self.config.cold.run(read).await.ok()?;
        let current = self.config.store.read().revision;
        let mut state = self.state.lock();
        let mut moved = false;
        for (id, wish) in &readers {
            moved |= self.advance(&mut state, *id, &piece, *wish, current);
        }
        let is_behind = readers.iter().any(|(id, _)| state.behind.contains(id));
        let revisions = match &piece {
            Piece::Read(_, next) => next.abs_diff(from).max(1),
            Piece::Compacted(_) => 1,
        };
        moved.then_some(Progress { revisions, is_behind })
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
    /// The pieces that the last watcher and the first one need next, one if it is the same, of those that can take it:
    /// reading for a stream that cannot would only fill memory.
    fn next_readings(&self) -> Option<(Reading, Option<Reading>)> {
        let ready: Vec<(WatcherId, &Watcher)> = (self.behind.iter().map(|id| (*id, &self.watchers[id])))
            .filter(|(_, watcher)| watcher.outlet.capacity() > 0)
            .collect();
        let nexts = || ready.iter().map(|(_, watcher)| watcher.next);
        let (last, first) = (nexts().min()?, nexts().max()?);
        let reading = |from: i64| Reading::of(from, &ready);
        Some((reading(last), (!reached_from(last).contains(&first)).then(|| reading(first))))
    }
}

/// A revision has a row at least.
fn reached_from(from: i64) -> Range<i64> {
    from..from.saturating_add_unsigned(PIECE_ROWS as u64)
}

impl Reading {
    fn of(from: i64, ready: &[(WatcherId, &Watcher)]) -> Self {
        let reached = reached_from(from);
        let mut numbers: BTreeMap<Wish, usize> = BTreeMap::new();
        let (mut wishes, mut readers) = (Vec::new(), Vec::new());
        for (id, watcher) in ready.iter().filter(|(_, watcher)| reached.contains(&watcher.next)) {
            let wish = (watcher.selection.clone(), watcher.next);
            let number = *numbers.entry(wish).or_insert_with_key(|wish| {
                wishes.push(wish.clone());
                wishes.len() - 1
            });
            readers.push((*id, number));
        }
        Self { from, wishes, readers }
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
    use crate::state::cold_reader::ColdReader;
    use crate::state::key_entry::RevisionKey;
    use crate::state::key_value::Fields;
    use crate::state::rows;
    use crate::watch::answers::{Answers, answers};
    use crate::watch::hub::HubConfig;
    use crate::watch::ranges::KeyRange;
    use crate::watch::ring::Ring;

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

    /// Lets watchers catch up with revisions up to `last`, but for so many: the answers of each, and the rests in between.
    async fn caught_up(
        last: i64,
        watchers: Vec<(Watcher, Answers)>,
        but_for: usize,
    ) -> (Vec<Vec<WatchResponse>>, Vec<Duration>) {
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
            while hub.state.lock().behind.len() > but_for {
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
        let (told, rests) = caught_up(10 * PIECE_ROWS as i64 + 1, vec![watcher(all, 2)], 0).await;
        assert!(told[0].iter().all(|answer| !answer.events.is_empty()));
        assert!((10..=11).contains(&told[0].len()), "{} pieces", told[0].len());
        assert!(rests.len() >= 9 && rests.iter().all(|rest| *rest < FULL_PAUSE), "{rests:?}");
    }

    #[tokio::test]
    async fn what_fits_one_piece_is_one_answer_as_in_etcd() {
        let all = KeyRange { from: "k".into(), below: None };
        let (told, _) = caught_up(4, vec![watcher(all, 2)], 0).await;
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
        let (told, rests) = caught_up(last, watchers, 0).await;
        for (i, (start, answers)) in (0..).zip(starts.iter().zip(told)) {
            let events = answers
                .iter()
                .flat_map(|answer| plain::WatchResponse::decode(&answer.events[..]).expect("events").events);
            let revisions: Vec<i64> = events.map(|event| event.kv.expect("a key").mod_revision).collect();
            let wanted: Vec<i64> = (*start..=last).filter(|revision| revision % 4 == key(i)).collect();
            assert_eq!(revisions, wanted, "watcher {i} from {start}");
        }
        assert!(rests.len() <= PIECES as usize + 1, "{} rests for {PIECES} pieces of history", rests.len());
    }

    #[tokio::test]
    async fn who_lacks_little_does_not_wait_for_who_lacks_much() {
        let last = 20 * PIECE_ROWS as i64 + 1;
        let all = || KeyRange { from: "k".into(), below: None };
        let watchers = vec![watcher(all(), 2), watcher(all(), last - 2 * PIECE_ROWS as i64)];
        let (told, _) = caught_up(last, watchers, 1).await;
        assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3], "pieces");
    }
}
