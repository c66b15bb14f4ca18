//! Watchers that catch up with a history made for them.

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
use crate::state::SharedStore;
use crate::state::index::key_entry::{Live, Value};
use crate::state::index::key_value::Fields;
use crate::state::index::revision_key::RevisionKey;
use crate::state::kv::store_reads::StoreReads;
use crate::state::rows;
use crate::watch::answers::{Answers, answers};
use crate::watch::hub::HubConfig;
use crate::watch::ranges::KeyRange;
use crate::watch::ring::Ring;
use crate::watch::watcher::Selection;

/// A clock that notes for how long it was asked to sleep, and then shows that this time has passed.
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

/// Revisions 2 to `last`: puts of the keys "k0" to "k3" in turn, except for one put of "quiet" at [`QUIET`]. Each value
/// has `value_bytes` bytes. The first half is checkpointed.
async fn history(last: i64, value_bytes: usize) -> (LocalStore, Arc<SharedStore>) {
    let mut local = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
    let store = SharedStore::rebuild(StoreId(0), &local.reader(), usize::MAX);
    let value = vec![b'v'; value_bytes];
    for (lsn, revisions) in [(1, 2..=last / 2), (2, last / 2 + 1..=last)] {
        let mut txn = local.begin();
        for main in revisions {
            let key = if main == QUIET { "quiet".to_owned() } else { format!("k{}", main % 4) };
            let (key, at) = (key.as_bytes(), RevisionKey { main, sub: 0 });
            let fields = Fields { key, create: 2, modified: main, version: main - 1, value: &value, lease: 0 };
            let encoded = fields.encode();
            txn.put(rows::key_value(StoreId(0), at, false), encoded.clone());
            let live = Live { at, create: 2, version: main - 1, lease: 0, value: Value::Row(encoded.len()) };
            store.write().put(key, |_| Ok::<_, ()>(live)).expect("nothing is refused");
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

/// The revision that puts the key "quiet".
const QUIET: i64 = 7;

/// All keys that begin with "k".
fn many() -> KeyRange {
    KeyRange { from: "k".into(), below: Some("l".into()) }
}

fn one(key: &str) -> KeyRange {
    KeyRange { from: key.to_owned().into(), below: Some(format!("{key}\0").into()) }
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
        way: Way::Index,
        outlet,
        header: ResponseHeader::default(),
    };
    (watcher, answers)
}

/// What watchers that caught up received, and how long the hub rested in between.
struct CaughtUp {
    answers: Vec<Vec<WatchResponse>>,
    rests: Vec<Duration>,
}

impl CaughtUp {
    /// The revisions of the events that a watcher got.
    fn revisions(&self, watcher: usize) -> Vec<i64> {
        let answers = self.answers[watcher].iter();
        let events =
            answers.flat_map(|answer| plain::WatchResponse::decode(&answer.events[..]).expect("events").events);
        events.map(|event| event.kv.expect("a key").mod_revision).collect()
    }
}

/// Lets watchers catch up with the history up to revision `last`, until only `but_for` of them are behind. They begin
/// with `way`.
async fn caught_up(last: i64, watchers: Vec<(Watcher, Answers)>, but_for: usize, way: Way) -> CaughtUp {
    caught_up_with(history(last, 1).await, watchers, but_for, way).await
}

async fn caught_up_with(
    (local, store): (LocalStore, Arc<SharedStore>),
    watchers: Vec<(Watcher, Answers)>,
    but_for: usize,
    way: Way,
) -> CaughtUp {
    let (cold, reads) = StoreReads::new();
    let rests = Arc::new(Rests::default());
    let revision = store.read().revision;
    let hub = Hub::new(HubConfig {
        ring: Ring::new(revision),
        store,
        cold,
        clock: rests.clone(),
        progress_interval: Duration::from_secs(600),
        fragment_bytes: usize::MAX,
        slow_watchers: Arc::new(AtomicUsize::new(0)),
    });
    let mut outlets = Vec::new();
    for (watcher, answers) in watchers {
        let mut state = hub.state.lock();
        let id = hub.add(&mut state, watcher);
        state.watchers.get_mut(&id).expect("just added").way = way;
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
    CaughtUp { answers: told, rests }
}

#[tokio::test]
async fn while_a_watcher_advances_the_hub_makes_no_pause_for_full_streams() {
    for way in [Way::Index, Way::Scan] {
        let told = caught_up(10 * PIECE_ROWS as i64 + 1, vec![watcher(many(), 2)], 0, way).await;
        assert!(told.answers[0].iter().all(|answer| !answer.events.is_empty()));
        assert!((10..=11).contains(&told.answers[0].len()), "{} pieces", told.answers[0].len());
        let rests = &told.rests;
        assert!(rests.len() >= 9 && rests.iter().all(|rest| *rest < FULL_PAUSE), "{rests:?}");
    }
}

#[tokio::test]
async fn what_fits_one_piece_is_one_answer_as_in_etcd() {
    for way in [Way::Index, Way::Scan] {
        let told = caught_up(4, vec![watcher(many(), 2)], 0, way).await;
        assert_eq!(told.answers[0].len(), 1);
    }
}

#[tokio::test]
async fn large_revisions_leave_in_messages_that_a_client_takes() {
    const CLIENT_BYTES_MAX: usize = 4 << 20;
    for way in [Way::Index, Way::Scan] {
        let told = caught_up_with(history(6, 1_200_000).await, vec![watcher(many(), 2)], 0, way).await;
        let lens: Vec<usize> = told.answers[0].iter().map(|answer| answer.encoded_len()).collect();
        assert!(lens.iter().all(|len| *len <= CLIENT_BYTES_MAX), "{lens:?}");
        assert_eq!(told.revisions(0), [2, 3, 4, 5, 6]);
    }
}

#[tokio::test]
async fn watchers_that_are_behind_read_history_together_and_each_gets_what_it_wants() {
    const PIECES: i64 = 20;
    let last = PIECES * PIECE_ROWS as i64 + 1;
    let key = |watcher: i64| watcher % 4;
    let starts: Vec<i64> = (0..100).map(|i| 2 + i * i * last / 11_000).collect();
    for way in [Way::Index, Way::Scan] {
        let watchers = (0..).zip(&starts).map(|(i, start)| watcher(one(&format!("k{}", key(i))), *start)).collect();
        let told = caught_up(last, watchers, 0, way).await;
        for (i, start) in (0..).zip(&starts) {
            let wanted = (*start..=last).filter(|revision| revision % 4 == key(i) && *revision != QUIET);
            let found = told.revisions(usize::try_from(i).expect("few watchers"));
            assert_eq!(found, wanted.collect::<Vec<i64>>(), "watcher {i} from {start}, {way:?}");
        }
        let rests = told.rests.len();
        assert!(rests <= PIECES as usize + 1, "{rests} rests for {PIECES} pieces of history, {way:?}");
    }
}

#[tokio::test]
async fn a_watcher_that_lacks_little_does_not_wait_for_one_that_lacks_much() {
    let last = 20 * PIECE_ROWS as i64 + 1;
    let watchers = vec![watcher(many(), 2), watcher(many(), last - 2 * PIECE_ROWS as i64)];
    let told = caught_up(last, watchers, 1, Way::Scan).await;
    assert_eq!(told.answers.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3], "pieces");
}

#[tokio::test]
async fn a_watcher_of_a_quiet_key_does_not_wait_for_the_history_of_others() {
    let last = 100 * PIECE_ROWS as i64;
    let watchers = vec![watcher(one("quiet"), 2), watcher(one("none"), 2), watcher(one("quiet"), QUIET + 1)];
    let told = caught_up(last, watchers, 0, Way::Index).await;
    assert_eq!(told.revisions(0), [QUIET]);
    assert!(told.answers[1].is_empty() && told.answers[2].is_empty());
    assert!(told.rests.len() <= 1, "{} rests for one event", told.rests.len());
}

#[tokio::test]
async fn a_range_whose_keys_change_all_the_time_is_read_row_by_row() {
    let (local, store) = history(2_000, 1).await;
    let wish = |range| (watcher(range, 2).0.selection, 2);
    assert!(matches!(look_up(&store, &local.reader(), &wish(one("k1"))).0, Piece::Read(..)));
    // With a thousand more keys in the range that never change, asking the index for the next 128 changes of the range
    // costs more than reading rows.
    for n in 0..1_000 {
        let at = RevisionKey { main: 1, sub: n };
        let live = Live { at, create: 1, version: 1, lease: 0, value: Value::Row(0) };
        store.write().put(format!("k/{n}").as_bytes(), |_| Ok::<_, ()>(live)).expect("nothing is refused");
    }
    assert!(matches!(look_up(&store, &local.reader(), &wish(many())).0, Piece::NotByIndex));
}
