//! Watchers that fall behind: they do not get an event twice, and they miss none.

use naxos_engines::LocalStore;
use naxos_proto::etcd::client::etcdserverpb as plain;
use naxos_proto::etcd::server::etcdserverpb::ResponseHeader;
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::BootClock;
use naxos_proto::seams::sim::{Drive, SimClock};
use prost::Message;
use tokio_stream::StreamExt;

use super::*;
use crate::state::Effect;
use crate::state::index::key_entry::{Live, Value};
use crate::state::index::key_value::Fields;
use crate::state::index::revision_key::RevisionKey;
use crate::state::rows;
use crate::watch::answers::{ANSWERS_MAX, Answers, Outlet, answers};
use crate::watch::ranges::KeyRange;

/// The number of entries for which the ring has room.
const RING_ENTRIES: usize = 4;

/// A hub and its store. Each put makes one revision.
struct Rig {
    local: LocalStore,
    store: Arc<SharedStore>,
    ring: Arc<Ring>,
    hub: Arc<Hub>,
    reads: Option<crate::state::kv::store_reads::StoreReadWorker>,
}

impl Rig {
    async fn new() -> Self {
        let local = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
        let store = SharedStore::rebuild(StoreId(0), &local.reader(), usize::MAX);
        let ring = Ring::with_room_for(RING_ENTRIES, store.read().revision);
        let (cold, reads) = StoreReads::new();
        let hub = Hub::new(HubConfig {
            ring: Arc::clone(&ring),
            store: Arc::clone(&store),
            cold,
            clock: Arc::new(SimClock::new(Duration::ZERO)),
            progress_interval: Duration::from_secs(600),
            fragment_bytes: usize::MAX,
            slow_watchers: Arc::new(AtomicUsize::new(0)),
        });
        Self { local, store, ring, hub, reads: Some(reads) }
    }

    /// Puts a key, as apply does.
    fn put(&mut self, key: &str) {
        let mut store = self.store.write();
        let at = RevisionKey { main: store.revision + 1, sub: 0 };
        let create = store.live(key.as_bytes()).map_or(at.main, |live| live.create);
        let fields = Fields { key: key.as_bytes(), create, modified: at.main, version: 1, value: b"v", lease: 0 };
        let encoded = fields.encode();
        let mut txn = self.local.begin();
        txn.put(rows::key_value(StoreId(0), at, false), encoded.clone());
        txn.commit(Lsn(at.main.cast_unsigned()));
        let live = Live { at, create, version: 1, lease: 0, value: Value::Resident(encoded.clone()) };
        store.put(key.as_bytes(), |_| Ok::<_, ()>(live)).expect("nothing is refused");
        store.revision = at.main;
        let changes = vec![Effect::new(key.to_owned().into(), false, encoded, None)];
        self.ring.put(&Arc::new(vec![Effects { store: StoreId(0), revision: at.main, changes }]));
    }

    /// Compacts the store, as far as readers of history can notice it.
    fn compact(&mut self, revision: i64) {
        let mut store = self.store.write();
        store.compacted = revision;
        for key in ["busy", "quiet"] {
            store.keys.update(key.as_bytes(), |entry| Arc::make_mut(entry).compact(revision));
        }
    }

    /// Adds a watcher of a key. It begins after the present revision.
    fn watch(&self, key: &str, no_put: bool, outlet: Outlet) -> WatcherId {
        let next = self.store.read().revision + 1;
        let range = KeyRange { from: key.to_owned().into(), below: Some(format!("{key}\0").into()) };
        let watcher = Watcher {
            id: 0,
            stream: 1,
            selection: Selection { range, prev_kv: false, no_put, no_delete: false },
            fragment: false,
            progress_notify: false,
            busy: false,
            start: 0,
            next,
            way: Way::Index,
            outlet,
            header: ResponseHeader::default(),
        };
        self.hub.add(&mut self.hub.state.lock(), watcher)
    }

    fn drain(&self) {
        self.hub.drain(&mut self.hub.state.lock());
    }

    fn is_behind(&self, id: WatcherId) -> bool {
        self.hub.state.lock().behind.contains(&id)
    }

    /// Lets all watchers that are behind catch up.
    async fn catch_up(&mut self) {
        let all = async {
            while !self.hub.state.lock().behind.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = all => {}
            () = self.hub.catch_up_always() => {}
            () = self
                .reads
                .take()
                .expect("a rig catches up only once")
                .run(self.local.reader(), CancellationToken::new()) => {}
        }
    }

    /// The answers that a watcher got: `Ok` with the revision of an event, or `Err` with the compact revision of a
    /// cancellation.
    async fn told(self, mut answers: Answers) -> Vec<Result<i64, i64>> {
        drop(self.hub);
        let mut told = Vec::new();
        while let Some(answer) = answers.next().await {
            let answer = answer.expect("an answer");
            if answer.canceled {
                told.push(Err(answer.compact_revision));
            }
            let events = plain::WatchResponse::decode(&answer.events[..]).expect("events").events;
            told.extend(events.into_iter().map(|event| Ok(event.kv.expect("a key").mod_revision)));
        }
        told
    }
}

/// Returns the answers that a watcher of `key` gets. It is live while the hub takes 100 revisions out of the ring. Then
/// these are compacted, and more revisions are made than the ring has room for, so the watcher has to read history. It
/// would be cancelled if it began to read at one of the compacted revisions, which it has been shown already.
async fn overflown(key: &str, no_put: bool) -> Vec<Result<i64, i64>> {
    let mut rig = Rig::new().await;
    let (outlet, answers) = answers();
    let id = rig.watch(key, no_put, outlet);
    for _ in 0..100 {
        rig.put("busy");
        rig.drain();
    }
    assert_eq!(rig.store.read().revision, 101);
    rig.compact(101);
    for _ in 0..=RING_ENTRIES {
        rig.put("busy");
    }
    rig.drain();
    assert!(rig.is_behind(id), "the ring overflowed");
    rig.catch_up().await;
    rig.put("busy");
    rig.put("quiet");
    rig.drain();
    assert!(!rig.is_behind(id));
    rig.told(answers).await
}

#[tokio::test(start_paused = true)]
async fn an_idle_watcher_is_not_cancelled_by_the_compaction_of_revisions_that_it_was_shown() {
    assert_eq!(overflown("quiet", false).await, [Ok(108)]);
}

#[tokio::test(start_paused = true)]
async fn a_filtered_watcher_is_not_cancelled_by_the_compaction_of_revisions_that_it_was_shown() {
    assert_eq!(overflown("busy", true).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_gets_what_the_ring_had_no_room_for() {
    let told = overflown("busy", false).await;
    assert_eq!(told, (2..=107).map(Ok).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_watcher_of_a_shared_stream_that_is_full_goes_back_to_the_event_that_had_no_room() {
    let mut rig = Rig::new().await;
    let (outlet, answers) = answers();
    for _ in 0..100 {
        rig.put("busy");
    }
    rig.watch("busy", false, outlet.clone());
    let quiet = rig.watch("quiet", false, outlet);
    for _ in 0..ANSWERS_MAX {
        rig.put("busy");
        rig.drain();
    }
    rig.compact(100 + ANSWERS_MAX as i64);
    rig.put("quiet");
    rig.drain();
    assert!(rig.is_behind(quiet), "the stream is full");
    let unseen = rig.store.read().revision;
    assert_eq!(rig.hub.state.lock().watchers[&quiet].next, unseen);
    drop(answers);
}
