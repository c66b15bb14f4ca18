//! The production stack on a memory log and a simulated disk: outputs, restarts, trimming, switches.

#![expect(clippy::disallowed_methods, reason = "a test waits for real checkpoints")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use naxos_client::{SharedLog, VirtualLog};
use naxos_engines::{Entry, LocalStore, RowKey, TableId, base, batching, compression, observer};
use naxos_proto::ids::{Boot, Incarnation, Lsn, StorageId, StoreId};
use naxos_proto::seams::BootClock;
use naxos_proto::seams::sim::Drive;
use support::{Node, World, row};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn every_command_gets_its_own_output() {
    let world = World::new(1);
    let node = world.start(1).await;
    let replies = futures::future::join_all((0..1_000).map(|_| node.propose())).await;
    let mut sorted = replies.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=1_000).collect::<Vec<_>>());
    assert!(node.stack.read_gate().sync().now_or_never().is_some());
}

#[tokio::test]
async fn a_restart_replays_from_the_persisted_cursor_and_nothing_is_applied_twice() {
    let world = World::new(2);
    let mut expected = 0;
    for boot in 1..=5 {
        let node = world.start(boot).await;
        for _ in 0..20 {
            expected += 1;
            assert_eq!(node.propose().await, expected);
        }
        if boot % 2 == 0 {
            // Wait until the open delta is old enough for a checkpoint, so that the next start replays little. The
            // other starts replay everything since the last checkpoint.
            tokio::time::sleep(Duration::from_millis(1_300)).await;
        }
        world.drive.crash();
        node.stop.cancel();
    }
}

#[tokio::test]
async fn what_another_node_appends_is_applied_as_it_comes() {
    let world = World::new(5);
    let one = world.start(1).await;
    let incarnation = Incarnation { storage: StorageId(2), boot: Boot(1) };
    let log = VirtualLog::open(world.parts(incarnation)).await.unwrap();
    let other = world.start_on(log, incarnation, &Drive::new(6)).await;
    let reaches = async |node: &Node, count: u64| {
        let count = Some(Bytes::copy_from_slice(&count.to_be_bytes()));
        // Nothing here checks the log's tail. The entries have to arrive without such a check.
        while node.stack.reader().get(&row()) != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for n in 0..50 {
        assert_eq!(one.propose().await, 2 * n + 1);
        tokio::time::timeout(Duration::from_secs(10), reaches(&other, 2 * n + 1)).await.expect("it is applied there");
        assert_eq!(other.propose().await, 2 * n + 2);
        tokio::time::timeout(Duration::from_secs(10), reaches(&one, 2 * n + 2)).await.expect("it is applied there");
    }
    // Both nodes propose at the same time. Each node applies all entries: it has its own entries in memory, and reads
    // those of the other node from the log.
    let both = (0..500).map(|_| futures::future::join(one.propose(), other.propose()));
    futures::future::join_all(both).await;
    tokio::time::timeout(Duration::from_secs(10), reaches(&one, 1_100)).await.expect("nothing is left out");
    tokio::time::timeout(Duration::from_secs(10), reaches(&other, 1_100)).await.expect("nothing is left out");
}

#[tokio::test]
async fn the_log_is_trimmed_up_to_the_checkpoint_and_never_beyond_it() {
    let world = World::new(3);
    let node = world.start(1).await;
    for _ in 0..10 {
        node.propose().await;
        assert!(node.stack.trim_point() <= node.stack.reader().persisted());
    }
    node.log.reconfigure(None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    // The cursor is sent along with the next proposal.
    node.propose().await;
    assert!(node.stack.trim_point() > Lsn::ZERO);
    assert!(node.stack.trim_point() <= node.stack.reader().persisted());
}

#[tokio::test]
async fn a_node_that_only_follows_does_not_hold_back_trimming() {
    let world = World::new(7);
    let one = world.start(1).await;
    let incarnation = Incarnation { storage: StorageId(2), boot: Boot(1) };
    let log = VirtualLog::open(world.parts(incarnation)).await.unwrap();
    let other = world.start_on(log, incarnation, &Drive::new(8)).await;
    // This puts the other node into the view, at a low position.
    other.propose().await;
    let told = one.stack.trim_point();
    for _ in 0..300 {
        one.propose().await;
    }
    let follows = async {
        // The cursor of this node is sent along with its proposals.
        while one.stack.trim_point() < Lsn(told.0 + 200) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            one.propose().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), follows).await.expect("the other node tells its cursor");
    // When nothing is proposed any more, the two do not go on telling each other.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let tail = one.log.check_tail().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(one.log.check_tail().await, Ok(tail), "an idle cluster writes nothing");
}

#[tokio::test]
async fn an_engine_is_switched_by_the_log_and_stays_so() {
    let world = World::new(4);
    let node = world.start(1).await;
    let of_batching = |node: &Node| node.stack.engines().into_iter().find(|e| e.id == batching::INFO.id).unwrap();
    let on = |node: &Node| of_batching(node).enabled;
    assert!(on(&node));
    assert_eq!(of_batching(&node).since, Lsn::ZERO, "since the genesis");
    let off_at = node.stack.switch(batching::INFO.id, false).await.unwrap();
    assert!(!on(&node));
    assert!(node.stack.switch(batching::INFO.id, false).await.unwrap() > off_at);
    assert_eq!(of_batching(&node).since, off_at, "it was off already");
    // Wait until the row of the switch is durable, so that the restart reads the row instead of replaying the command.
    while node.stack.reader().persisted() <= off_at {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(node.propose().await, 1, "every command is an entry of its own now");
    assert!(node.stack.switch(base::INFO.id, false).await.is_err());
    world.drive.crash();
    node.stop.cancel();
    let node = world.start(2).await;
    assert_eq!((on(&node), of_batching(&node).since), (false, off_at));
    node.stack.switch(batching::INFO.id, true).await.unwrap();
    assert_eq!(node.propose().await, 2);
}

/// The bytes of the payloads in the log, each with whether it is compressed.
async fn payloads(node: &Node) -> Vec<(usize, bool)> {
    let tail = node.log.check_tail().await.unwrap();
    let (records, _) = node.log.read(Lsn::ZERO, tail, usize::MAX).await.unwrap();
    let entries = records.into_iter().map(|record| Entry::decode(record.payload).unwrap());
    entries.map(|entry| (entry.payload.len(), entry.header(compression::INFO.id).is_some())).collect()
}

#[tokio::test]
async fn large_commands_are_compressed_in_the_log_while_the_engine_is_on() {
    let world = World::new(5);
    let node = world.start(1).await;
    assert_eq!(node.propose_bytes(10_000).await, 1);
    node.stack.switch(compression::INFO.id, true).await.unwrap();
    assert_eq!(node.propose_bytes(10_000).await, 2);
    assert_eq!(node.propose_bytes(10).await, 3);
    node.stack.switch(compression::INFO.id, false).await.unwrap();
    assert_eq!(node.propose_bytes(10_000).await, 4);
    let large: Vec<_> = payloads(&node).await.into_iter().filter(|(bytes, _)| *bytes > 0).collect();
    let [before, (on, true), small, after] = large[..] else { panic!("{large:?}") };
    assert!(before == (10_004, false) && after == before && on < 200 && small == (14, false), "{large:?}");
    // A node that starts again replays the compressed entry too, although the engine is off now.
    node.stop.cancel();
    world.drive.crash();
    let node = world.start(2).await;
    assert_eq!(node.propose().await, 5);
}

#[tokio::test]
async fn the_observer_measures_every_engine_while_it_is_on() {
    let world = World::new(6);
    let node = world.start(1).await;
    node.propose().await;
    let counts = || -> Vec<(&str, u64, u64)> {
        let count = |observed: &Arc<observer::Observed>| {
            (observed.engine, observed.propose.spread().count(), observed.apply.spread().count())
        };
        node.stack.observed().iter().map(count).collect()
    };
    let of_none = ["base", "view-tracking", "session", "compression", "batching"].map(|engine| (engine, 0, 0));
    assert_eq!(counts(), of_none, "it is off at first");
    node.stack.switch(observer::INFO.id, true).await.unwrap();
    for _ in 0..10 {
        node.propose().await;
    }
    // Nothing proposes through Base's upper half or through Batching's lower one.
    let ten =
        [("base", 10, 0), ("view-tracking", 10, 10), ("session", 10, 10), ("compression", 10, 10), ("batching", 0, 10)];
    assert_eq!(counts(), ten);
    assert!(node.stack.observed().iter().all(|observed| observed.in_flight() == 0));
    node.stack.switch(observer::INFO.id, false).await.unwrap();
    node.propose().await;
    assert_eq!(counts(), ten, "it is off again");
}

/// redb writes when the last reader of a store is gone. By then the next start may have the file.
#[tokio::test]
async fn a_reader_that_outlives_its_store_changes_nothing_in_the_file() {
    let drive = Drive::new(9);
    let key = |at: u64| RowKey::new(StoreId(0), TableId(40), &at.to_be_bytes());
    let write = async |at: u64| {
        let mut store = LocalStore::open(drive.mount(), Arc::new(BootClock)).await.unwrap();
        let mut txn = store.begin();
        txn.put(key(at), Bytes::from_static(b"x"));
        txn.commit(Lsn(at + 1));
        let (checkpointer, stop) = (store.checkpointer(0), CancellationToken::new());
        stop.cancel();
        checkpointer.run(stop, |_| ()).await.unwrap();
        let reader = store.reader();
        drop(store);
        reader.file().end_writes();
        reader
    };
    let (first, second) = (write(0).await, write(1).await);
    drop(first);
    drop(second);
    let reader = LocalStore::open(drive.mount(), Arc::new(BootClock)).await.unwrap().reader();
    assert_eq!((reader.applied(), reader.get(&key(0)).is_some(), reader.get(&key(1)).is_some()), (Lsn(2), true, true));
}
