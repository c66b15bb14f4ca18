//! Reading history for watchers that are behind.
//!
//! Rows are named by revision, so history is one scan; it runs on the cold reader's Worker, a bounded piece at a time
//! and one piece per watcher in turn, with a pause that leaves most of a core to everybody else. A piece ends between
//! two revisions. When a watcher's next revision is one that the hub has not seen yet, it is live again.

use std::sync::Arc;
use std::time::Duration;

use naxos_engines::StoreReader;
use naxos_proto::etcd::twins::WatchResponse;

use super::hub::{Hub, State, WatcherId};
use super::watcher::{Packet, PacketBuilder, Selection};
use crate::state::SharedStore;
use crate::state::history::{Past, read_history};

/// Rows read for one watcher at a time.
const PIECE_ROWS: usize = 128;
/// Between two rounds.
const ROUND_PAUSE: Duration = Duration::from_millis(2);
/// Between two looks at a stream that is full.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// What a look into history brought.
enum Piece {
    /// Events, if any matched, and the revision to go on from.
    Read(Option<Packet>, i64),
    /// The next revision is compacted; up to here.
    Compacted(i64),
}

impl Hub {
    pub(super) async fn catch_up_always(&self) {
        loop {
            self.fell_behind.notified().await;
            loop {
                let ids: Vec<WatcherId> = self.state.lock().behind.iter().copied().collect();
                if ids.is_empty() {
                    break;
                }
                let mut moved = false;
                for id in ids {
                    moved |= self.catch_up(id).await;
                }
                self.config.clock.sleep(if moved { ROUND_PAUSE } else { FULL_PAUSE }).await;
            }
        }
    }

    /// One piece for one watcher; whether it got on.
    async fn catch_up(&self, id: WatcherId) -> bool {
        let Some((selection, next)) = self.begin_reading(id) else { return false };
        let store = Arc::clone(&self.config.store);
        let read = move |reader: &StoreReader| read_piece(&store, reader, &selection, next);
        let Ok(piece) = self.config.cold.run(read).await else { return false };
        let mut state = self.state.lock();
        self.finish_reading(&mut state, id, piece)
    }

    fn begin_reading(&self, id: WatcherId) -> Option<(Selection, i64)> {
        let mut state = self.state.lock();
        let watcher = state.watchers.get_mut(&id)?;
        // Reading for a stream that cannot take it would only fill memory.
        (watcher.outlet.capacity() > 0).then(|| (watcher.selection.clone(), watcher.next))
    }

    fn finish_reading(&self, state: &mut State, id: WatcherId, piece: Piece) -> bool {
        let current = self.config.store.read().revision;
        let Some(watcher) = state.watchers.get_mut(&id) else { return true };
        match piece {
            Piece::Read(packet, next) => {
                if let Some(packet) = packet
                    && !watcher.send(&packet, current.max(packet.last), self.config.fragment_bytes)
                {
                    return false;
                }
                watcher.next = next;
                if next > state.seen {
                    self.go_live(state, id);
                }
                true
            }
            Piece::Compacted(compact_revision) => {
                let answer = WatchResponse { canceled: true, compact_revision, ..watcher.answer(0) };
                if watcher.outlet.try_send(Ok(answer)).is_err() {
                    return false;
                }
                self.remove(state, id);
                true
            }
        }
    }
}

fn read_piece(store: &SharedStore, reader: &StoreReader, selection: &Selection, from: i64) -> Piece {
    let wants = |key: &[u8], deleted: bool| selection.range.contains(key) && selection.wants(deleted);
    match read_history(store, reader, from, PIECE_ROWS, selection.prev_kv, wants) {
        Past::Compacted(revision) => Piece::Compacted(revision),
        Past::End(revision) => Piece::Read(None, revision),
        Past::Effects(effects, next) => {
            let mut builder = PacketBuilder::default();
            for (revision, effect) in &effects {
                builder.add(*revision, effect, selection.prev_kv);
            }
            Piece::Read(builder.finish(), next)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures::future::BoxFuture;
    use naxos_engines::LocalStore;
    use naxos_proto::etcd::server::etcdserverpb::ResponseHeader;
    use naxos_proto::ids::{Lsn, StoreId};
    use naxos_proto::seams::sim::Drive;
    use naxos_proto::seams::{BootClock, Clock, Instant, WallTime};
    use parking_lot::Mutex;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::node::cold_reader::ColdReader;
    use crate::state::key_entry::RevisionKey;
    use crate::state::key_value::Fields;
    use crate::state::rows;
    use crate::watch::hub::HubConfig;
    use crate::watch::ranges::KeyRange;
    use crate::watch::ring::Ring;
    use crate::watch::watcher::Watcher;

    /// Notes how long it was asked to sleep, and does not.
    #[derive(Default)]
    struct Rests(Mutex<Vec<Duration>>);

    impl Clock for Rests {
        fn now(&self) -> Instant {
            Instant(0)
        }

        fn wall(&self) -> WallTime {
            WallTime(0)
        }

        fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
            self.0.lock().push(at.since(Instant(0)));
            Box::pin(tokio::task::yield_now())
        }

        fn pause(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::task::yield_now())
        }
    }

    /// Revisions 2 to `last`, each a put of the key "k".
    async fn history(last: i64) -> (LocalStore, Arc<SharedStore>) {
        let mut local = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
        let store = SharedStore::rebuild(StoreId(0), &local.reader(), usize::MAX);
        let mut txn = local.begin();
        for main in 2..=last {
            let fields = Fields { key: b"k", create: 2, modified: main, version: main - 1, value: b"v", lease: 0 };
            txn.put(rows::key_value(StoreId(0), RevisionKey { main, sub: 0 }, false), fields.encode());
        }
        txn.commit(Lsn(1));
        store.write().revision = last;
        (local, store)
    }

    #[tokio::test]
    async fn a_watcher_that_gets_on_rests_for_no_full_stream() {
        const REVISIONS: i64 = 10 * PIECE_ROWS as i64;
        let (local, store) = history(REVISIONS + 1).await;
        let (cold, reads) = ColdReader::new();
        let rests = Arc::new(Rests::default());
        let hub = Hub::new(HubConfig {
            ring: Ring::new(REVISIONS + 1),
            store,
            cold,
            clock: rests.clone(),
            progress_interval: Duration::from_secs(600),
            fragment_bytes: usize::MAX,
            slow_watchers: Arc::new(AtomicUsize::new(0)),
        });
        let (outlet, mut answers) = mpsc::channel(128);
        let range = KeyRange { from: "k".into(), below: None };
        let watcher = Watcher {
            id: 0,
            stream: 1,
            selection: Selection { range, prev_kv: false, no_put: false, no_delete: false },
            fragment: false,
            progress_notify: false,
            busy: false,
            start: 2,
            next: 2,
            outlet,
            header: ResponseHeader::default(),
        };
        hub.add(&mut hub.state.lock(), watcher);

        let all = async {
            while hub.state.lock().behind.len() == 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = all => {}
            () = hub.catch_up_always() => {}
            () = reads.run(local.reader(), CancellationToken::new()) => {}
        }
        let mut pieces = 0;
        while let Ok(answer) = answers.try_recv() {
            assert!(!answer.expect("an answer").events.is_empty());
            pieces += 1;
        }
        let rests = rests.0.lock();
        assert!((10..=12).contains(&pieces), "{pieces} pieces");
        assert!(rests.len() >= 9 && rests.iter().all(|rest| *rest == ROUND_PAUSE), "{rests:?}");
    }
}
