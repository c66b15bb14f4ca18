//! A node that is behind the log's trim point gets a snapshot from another node and goes on from there.

#![expect(clippy::disallowed_methods, reason = "a test waits for what the Workers do")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_client::{SharedLog, VirtualLog};
use naxos_engines::LocalStore;
use naxos_engines::local_store::{SNAPSHOT_FILE, StoreExpected, VERIFIED_BYTES_MAX};
use naxos_engines::snapshots::{FetchError, Fetcher, Offering, remove_fetched};
use naxos_proto::contracts::{Manifest, SnapshotError, Snapshots};
use naxos_proto::ids::{Boot, ChainVersion, Incarnation, LogId, Lsn, StorageId};
use naxos_proto::peer::{
    ChainNews, Home, PeerLink, PlainConnector, RemoteSnapshots, SnapshotsService, SyncedNews, accepted, serve,
};
use naxos_proto::seams::sim::{Drive, SimClock};
use naxos_proto::seams::{Address, BootClock, Net, SocketNet, Tasks, ThreadWorker, start};
use naxos_proto::suite;
use support::{Node, World, row};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

const JOINER: Incarnation = Incarnation { storage: StorageId(2), boot: Boot(1) };
/// The name under which a snapshot is fetched.
const FETCHED: &str = "snapshot.fetched";

fn fetcher(drive: &Drive) -> Fetcher {
    let (disk, clock) = (drive.mount(), Arc::new(BootClock));
    Fetcher { disk, clock, own: JOINER.storage, log: LogId(7), reserve_bytes: 0 }
}

/// A node with `count` commands in its checkpoint and one more command. Its log is trimmed, at least at the beginning.
async fn trimmed(world: &World, count: u64) -> Node {
    let node = world.start(1).await;
    for _ in 0..count {
        node.propose().await;
    }
    settled(&node).await;
    // The cursor is sent along with the next proposal.
    node.propose().await;
    let trims = async {
        while node.log.read(Lsn::ZERO, Lsn(1), 1).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), trims).await.expect("the log is trimmed");
    node
}

trait Offers {
    /// The snapshots of the first node.
    fn offering(&self) -> Offering;
}

impl Offers for World {
    fn offering(&self) -> Offering {
        self.offerings.lock()[0].clone()
    }
}

/// Waits until a checkpoint has everything.
async fn settled(node: &Node) {
    while node.stack.reader().persisted() < node.stack.reader().applied() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn expected() -> StoreExpected {
    let storage = JOINER.storage;
    StoreExpected { storage, required: true, lost: None, extent: None, verified_bytes_max: VERIFIED_BYTES_MAX }
}

/// Counts the reads and their bytes. Some reads fail as if the network had broken.
struct Breaking<S> {
    snapshots: S,
    /// One in this many reads has no answer.
    breaks_every: u64,
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl<S: Snapshots> Breaking<S> {
    fn new(snapshots: S, breaks_every: u64) -> Arc<Self> {
        Arc::new(Self { snapshots, breaks_every, reads: AtomicU64::new(0), bytes: AtomicU64::new(0) })
    }
}

impl<S: Snapshots> Snapshots for Breaking<S> {
    fn offer(&self, to: StorageId, at_least: Lsn) -> BoxFuture<'_, Result<Manifest, SnapshotError>> {
        self.snapshots.offer(to, at_least)
    }

    fn read(&self, id: u64, at: u64, len: u32) -> BoxFuture<'_, Result<Bytes, SnapshotError>> {
        Box::pin(async move {
            if (self.reads.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.breaks_every) {
                return Err(SnapshotError::Unreachable("on purpose".to_owned()));
            }
            let read = self.snapshots.read(id, at, len.min(25_000)).await?;
            self.bytes.fetch_add(read.len() as u64, Ordering::Relaxed);
            Ok(read)
        })
    }
}

/// Offers a snapshot that the joiner must not take: its manifest is changed, or its cursor is too low.
struct Wrong<S> {
    snapshots: S,
    change: fn(&mut Manifest),
}

impl<S: Snapshots> Snapshots for Wrong<S> {
    fn offer(&self, to: StorageId, at_least: Lsn) -> BoxFuture<'_, Result<Manifest, SnapshotError>> {
        Box::pin(async move {
            // It does not look at what was asked for.
            let _ = at_least;
            let mut manifest = self.snapshots.offer(to, Lsn(0)).await?;
            (self.change)(&mut manifest);
            Ok(manifest)
        })
    }

    fn read(&self, id: u64, at: u64, len: u32) -> BoxFuture<'_, Result<Bytes, SnapshotError>> {
        self.snapshots.read(id, at, len)
    }
}

#[tokio::test]
async fn a_node_that_offers_snapshots_conforms() {
    let world = World::new(1);
    let node = trimmed(&world, 300).await;
    let at_least = node.stack.reader().applied();
    let (manifest, bytes) = suite::snapshots(&world.offering(), &BootClock, at_least, crc32fast::hash).await;
    assert_eq!(world.drive.content(SNAPSHOT_FILE), Some(bytes.to_vec()));
    assert_eq!(manifest.log, LogId(7));
    node.stop.cancel();
}

#[tokio::test]
async fn snapshots_conform_over_sockets() {
    let world = World::new(2);
    let node = trimmed(&world, 300).await;
    let home = |storage| Home {
        log: LogId(7),
        me: Incarnation { storage: StorageId(storage), boot: Boot(1) },
        news: Arc::new(ChainNews::new(ChainVersion(1))),
        synced: SyncedNews::new(Boot(1), || 0),
        admitted: watch::Sender::new(true).subscribe(),
        clock: Arc::new(BootClock),
        tasks: Tasks::new(Arc::new(ThreadWorker), CancellationToken::new()),
    };
    let listener = SocketNet.listen(&Address::Tcp("127.0.0.1:0".to_owned())).await.unwrap();
    let address = listener.local();
    let routes = Routes::new(SnapshotsService::server(&home(1), Arc::new(world.offering())));
    let stop = CancellationToken::new();
    let worker = start(&ThreadWorker, "peer", stop.clone(), |stop| async move {
        serve(routes, accepted(listener), stop).await.unwrap();
    });
    let link = PeerLink::new(home(2), StorageId(1), address, Arc::new(PlainConnector(Arc::new(SocketNet))));
    let at_least = node.stack.reader().applied();
    let remote = RemoteSnapshots::new(&link);
    let (manifest, _) = suite::snapshots(&remote, &BootClock, at_least, crc32fast::hash).await;
    assert_eq!((manifest.log, link.problem()), (LogId(7), None));
    stop.cancel();
    worker.join().await.unwrap();
    let gone = remote.read(manifest.id, 0, 1).await;
    assert!(matches!(gone, Err(SnapshotError::Unreachable(_))), "{gone:?}");
    node.stop.cancel();
}

#[tokio::test]
async fn a_node_behind_the_trim_point_goes_on_from_a_snapshot() {
    let world = World::new(3);
    let node = trimmed(&world, 50).await;
    let drive = Drive::new(4);
    // The joiner has a store of its own, which is behind the trim point.
    let empty = StoreExpected { required: false, ..expected() };
    let own = LocalStore::open_expected(drive.mount(), Arc::new(BootClock), empty).await.unwrap();
    drop(own.accept().await.unwrap());
    let source = Breaking::new(world.offering(), 2);
    let fetched = fetcher(&drive).fetch(|| vec![(StorageId(1), source.clone())], Lsn(1), Lsn(0)).await.unwrap();
    assert!(source.reads.load(Ordering::Relaxed) > 3, "the connection did not break");
    let cursor = fetched.cursor;
    fetched.install(&*drive.mount(), JOINER.storage).await.unwrap();
    assert_eq!(drive.paths(), ["store.redb"], "nothing else is left");
    let opened = LocalStore::open_expected(drive.mount(), Arc::new(BootClock), expected()).await.unwrap();
    drop(opened.accept().await.unwrap());

    // What comes after the snapshot is still in the log, although the other node's checkpoint goes on.
    for _ in 0..50 {
        node.propose().await;
    }
    settled(&node).await;
    node.propose().await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let log = VirtualLog::open(world.parts(JOINER)).await.unwrap();
    assert!(log.read(cursor, cursor.next(), 1).await.is_ok(), "the log is not held for the joiner");
    let joiner = world.start_on(log, JOINER, &drive).await;
    assert_eq!(joiner.propose().await, 103);
    let tail = node.log.check_tail().await.unwrap();
    while node.stack.reader().applied() < tail || joiner.stack.reader().applied() < tail {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(node.stack.reader().get(&row()), joiner.stack.reader().get(&row()));
    assert_eq!(node.stack.reader().checksum(), joiner.stack.reader().checksum());
    node.stop.cancel();
    joiner.stop.cancel();
}

#[tokio::test]
async fn a_fetch_that_was_broken_off_goes_on_where_it_was() {
    let world = World::new(5);
    let node = world.start(1).await;
    for _ in 0..40 {
        node.propose_bytes(1 << 20).await;
    }
    settled(&node).await;
    let drive = Drive::new(6);
    let source = Breaking::new(world.offering(), u64::MAX);
    let fetch = async {
        let sources = || vec![(StorageId(1), source.clone() as Arc<dyn Snapshots>)];
        fetcher(&drive).fetch(sources, Lsn(1), Lsn(0)).await
    };
    let enough = async {
        while source.bytes.load(Ordering::Relaxed) < 60 << 20 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = enough => {}
        fetched = fetch => panic!("it cannot be done yet: {fetched:?}"),
    }
    drive.crash();
    let again = Breaking::new(world.offering(), u64::MAX);
    let fetched = fetcher(&drive).fetch(|| vec![(StorageId(1), again.clone())], Lsn(1), Lsn(0)).await.unwrap();
    let (whole, read) = (drive.content(FETCHED).unwrap().len() as u64, again.bytes.load(Ordering::Relaxed));
    assert!(read < whole - (30 << 20), "{read} bytes of {whole} were fetched again");
    fetched.install(&*drive.mount(), JOINER.storage).await.unwrap();
    node.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_not_for_this_node_is_refused() {
    let world = World::new(7);
    let node = world.start(1).await;
    node.propose().await;
    settled(&node).await;
    let changes: [fn(&mut Manifest); 5] =
        [|m| m.log = LogId(8), |m| m.format += 1, |m| m.cursor = Lsn(1), |m| m.crc ^= 1, |m| m.bytes -= 1];
    for change in changes {
        let drive = Drive::new(8);
        let wrong = Arc::new(Wrong { snapshots: world.offering(), change });
        let good = Arc::new(world.offering());
        let asked = AtomicU64::new(0);
        let sources = || {
            // The second node is there from the second round on.
            let mut sources: Vec<(StorageId, Arc<dyn Snapshots>)> = vec![(StorageId(1), wrong.clone())];
            if asked.fetch_add(1, Ordering::Relaxed) > 0 {
                sources.push((StorageId(3), good.clone()));
            }
            sources
        };
        let fetched = fetcher(&drive).fetch(sources, Lsn(1), Lsn(1)).await.unwrap();
        assert!(asked.load(Ordering::Relaxed) > 1, "the wrong snapshot was taken");
        assert!(fetched.cursor > Lsn(1));
        fetched.install(&*drive.mount(), JOINER.storage).await.unwrap();
    }
    node.stop.cancel();
}

#[tokio::test]
async fn a_node_never_goes_back_behind_its_own_cursor() {
    let world = World::new(9);
    let node = world.start(1).await;
    node.propose().await;
    settled(&node).await;
    let own = Lsn(node.stack.reader().applied().0 + 100);
    let drive = Drive::new(10);
    let stale = Arc::new(Wrong { snapshots: world.offering(), change: |_| () });
    let fetch = fetcher(&drive);
    let fetched = fetch.fetch(|| vec![(StorageId(1), stale.clone() as Arc<dyn Snapshots>)], Lsn(0), own);
    let outcome = tokio::time::timeout(Duration::from_millis(1_200), fetched).await;
    assert!(outcome.is_err(), "a snapshot at the node's own cursor is no gain, and one below it a loss: {outcome:?}");
    assert_eq!(drive.paths(), [""; 0], "nothing was fetched");
    node.stop.cancel();
}

#[tokio::test]
async fn a_disk_without_room_is_reported() {
    let world = World::new(11);
    let node = world.start(1).await;
    node.propose().await;
    settled(&node).await;
    let drive = Drive::new(12);
    drive.set_capacity(Some(1 << 20));
    let fetch = Fetcher { reserve_bytes: 1 << 20, ..fetcher(&drive) };
    let offering = Arc::new(world.offering());
    let error = fetch.fetch(|| vec![(StorageId(1), offering.clone() as _)], Lsn(0), Lsn(0)).await.unwrap_err();
    assert!(matches!(error, FetchError::NoRoom { .. }), "{error}");
    assert!(error.to_string().starts_with("the disk has no room for a snapshot of "), "{error}");

    node.stop.cancel();

    // The node that offers a snapshot has to have room for it too.
    let world = World::new(30);
    let node = world.start(1).await;
    node.propose().await;
    settled(&node).await;
    world.drive.set_capacity(Some(world.drive.used() + 1_000));
    let full = world.offering();
    let why = loop {
        match full.offer(StorageId(9), Lsn(1)).await {
            Err(SnapshotError::NotYet) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(SnapshotError::Refused(why)) => break why,
            other => panic!("the disk is full: {other:?}"),
        }
    };
    assert!(why.starts_with("the disk has no room for a copy of "), "{why}");
    node.stop.cancel();
}

#[tokio::test]
async fn a_crash_while_a_snapshot_is_installed_leaves_one_of_the_two_stores() {
    let world = World::new(13);
    let node = trimmed(&world, 20).await;
    let offering = Arc::new(world.offering());
    let first = Drive::new(14);
    let made =
        LocalStore::open_expected(first.mount(), Arc::new(BootClock), StoreExpected { required: false, ..expected() });
    drop(made.await.unwrap().accept().await.unwrap());
    let fetched = fetcher(&first).fetch(|| vec![(StorageId(1), offering.clone() as _)], Lsn(1), Lsn(0)).await.unwrap();
    let cursor = fetched.cursor;
    let (mut old, mut new) = (0, 0);
    for at in 1..40 {
        let drive = first.copy(at);
        drive.freeze_at_sync(at);
        let fetch = fetcher(&drive);
        let again = fetch.fetch(|| vec![(StorageId(1), offering.clone() as _)], Lsn(1), Lsn(0));
        let installs = async { again.await?.install(&*drive.mount(), JOINER.storage).await };
        // On a frozen disk a call may never return.
        let installed = tokio::time::timeout(Duration::from_millis(500), installs).await;
        drive.crash();
        let opened = LocalStore::open_expected(drive.mount(), Arc::new(BootClock), expected()).await;
        let store = opened.unwrap_or_else(|e| panic!("after sync {at}: {e}")).accept().await.unwrap();
        assert!([Lsn(0), cursor].contains(&store.applied()), "after sync {at}: {}", store.applied());
        if matches!(installed, Ok(Ok(()))) {
            assert_eq!(store.applied(), cursor, "it was installed");
            new += 1;
            break;
        }
        old += 1;
    }
    assert!(old > 2 && new == 1, "{old} crashes during an installation, {new} finished installations");
    node.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_not_read_any_more_is_removed_and_the_log_is_held_no_longer() {
    let world = World::with_clock(15, Arc::new(SimClock::new(Duration::from_secs(1_700_000_000))));
    let node = world.start(1).await;
    node.propose().await;
    settled(&node).await;
    let offering = world.offering();
    let offer = |at_least| offering.offer(JOINER.storage, at_least);
    while offer(Lsn(1)).await == Err(SnapshotError::NotYet) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let cursor = offer(Lsn(1)).await.unwrap().cursor;
    let held = async |node: &Node| {
        for _ in 0..3 {
            node.propose().await;
            settled(node).await;
        }
        node.propose().await;
        node.stack.trim_point() < cursor
    };
    assert!(held(&node).await, "the log is not held, but the joiner has not told yet that it has the snapshot");
    let busy = offering.offer(StorageId(3), cursor.next()).await;
    assert_eq!(busy, Err(SnapshotError::Busy), "a snapshot that is in use is not replaced");
    tokio::time::sleep(Duration::from_secs(62)).await;
    assert!(!held(&node).await, "the log is still held, but the joiner is gone");
    assert!(!world.drive.paths().contains(&SNAPSHOT_FILE.to_owned()));
    node.stop.cancel();
}

#[tokio::test]
async fn what_was_fetched_is_removed_when_it_is_not_needed() {
    let world = World::new(16);
    let node = world.start(1).await;
    node.propose().await;
    settled(&node).await;
    let drive = Drive::new(17);
    remove_fetched(&*drive.mount()).await.unwrap();
    let offering = Arc::new(world.offering());
    let fetched = fetcher(&drive).fetch(|| vec![(StorageId(1), offering.clone() as _)], Lsn(1), Lsn(0)).await;
    assert!(fetched.is_ok());
    assert_eq!(drive.paths(), [FETCHED, "snapshot.fetched.from"]);
    remove_fetched(&*drive.mount()).await.unwrap();
    assert_eq!(drive.paths(), [""; 0]);
    node.stop.cancel();
}

/// A node that is not there.
struct Gone;

impl Snapshots for Gone {
    fn offer(&self, _to: StorageId, _at_least: Lsn) -> BoxFuture<'_, Result<Manifest, SnapshotError>> {
        Box::pin(async { Err(SnapshotError::Unreachable("on purpose".to_owned())) })
    }

    fn read(&self, _id: u64, _at: u64, _len: u32) -> BoxFuture<'_, Result<Bytes, SnapshotError>> {
        Box::pin(async { Err(SnapshotError::Unreachable("on purpose".to_owned())) })
    }
}

#[tokio::test]
async fn a_node_that_does_not_answer_does_not_delay_the_question_to_another_one() {
    let world = World::new(11);
    let node = world.start(1).await;
    node.propose().await;
    settled(&node).await;
    let drive = Drive::new(12);
    let sources = || -> Vec<(StorageId, Arc<dyn Snapshots>)> {
        vec![(StorageId(1), Arc::new(Gone)), (StorageId(3), Arc::new(world.offering()))]
    };
    let fetch = fetcher(&drive);
    let fetched = tokio::time::timeout(Duration::from_secs(10), fetch.fetch(sources, Lsn(1), Lsn(1))).await;
    fetched.expect("the second node is asked before the first one's time is up").unwrap();
    node.stop.cancel();
}

/// A node that dies while it makes a snapshot.
#[derive(Default)]
struct Dying(AtomicU64);

impl Snapshots for Dying {
    fn offer(&self, _to: StorageId, _at_least: Lsn) -> BoxFuture<'_, Result<Manifest, SnapshotError>> {
        let is_first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
        let gone = || SnapshotError::Unreachable("on purpose".to_owned());
        Box::pin(std::future::ready(Err(if is_first { SnapshotError::NotYet } else { gone() })))
    }

    fn read(&self, _id: u64, _at: u64, _len: u32) -> BoxFuture<'_, Result<Bytes, SnapshotError>> {
        Box::pin(std::future::ready(Err(SnapshotError::Unreachable("on purpose".to_owned()))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_before_its_snapshot_is_made_is_not_waited_for_long() {
    let clock = Arc::new(SimClock::new(Duration::from_secs(1_700_000_000)));
    let world = World::with_clock(13, clock.clone());
    let node = world.start(1).await;
    node.propose().await;
    settled(&node).await;
    let drive = Drive::new(14);
    let dying = Arc::new(Dying::default());
    let sources = || -> Vec<(StorageId, Arc<dyn Snapshots>)> {
        vec![(StorageId(1), dying.clone()), (StorageId(3), Arc::new(world.offering()))]
    };
    let began = tokio::time::Instant::now();
    let fetch = Fetcher { clock, ..fetcher(&drive) };
    fetch.fetch(sources, Lsn(1), Lsn(1)).await.unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "another node is asked after {took:?}");
    assert!(dying.0.load(Ordering::Relaxed) > 2, "the fetcher did not wait for a short break of the network");
    node.stop.cancel();
}
