//! Three replicas of the register in one simulation. The calls between them can be cut.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_log_server::LogServer;
use naxos_log_server::meta::{MetaConfig, MetaPeers, MetaReplica, PeerError};
use naxos_proto::contracts::{MetaError, MetaStore, PutOutcome};
use naxos_proto::ids::{ChainVersion, StorageId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{Drive, Latency, SimClock};
use naxos_proto::suite;
use parking_lot::Mutex;
use support::{sim_seams, simulate, small};
use tokio_util::sync::CancellationToken;

/// The replicas that can be reached at the moment. While `is_narrow`, no request with an entry gets through.
#[derive(Clone, Default)]
struct Switch {
    replicas: Arc<Mutex<BTreeMap<StorageId, Arc<MetaReplica>>>>,
    is_narrow: Arc<AtomicBool>,
    /// Two replicas that do not reach each other.
    pair: Arc<Mutex<Option<[StorageId; 2]>>>,
    /// The replica that calls.
    own: StorageId,
}

/// A request with more bytes than this carries an entry: each value that the test puts has this many bytes.
const NARROW_BYTES: usize = 1_000;

impl MetaPeers for Switch {
    fn call(&self, to: StorageId, request: Bytes) -> BoxFuture<'_, Result<Bytes, PeerError>> {
        let is_stopped = self.is_narrow.load(Ordering::Relaxed) && request.len() > NARROW_BYTES;
        let is_cut = self.pair.lock().is_some_and(|pair| pair.contains(&to) && pair.contains(&self.own));
        let replica = self.replicas.lock().get(&to).cloned().filter(|_| !is_stopped && !is_cut);
        Box::pin(async move {
            let away = || PeerError::Unreachable(to, "cut off".to_owned());
            replica.ok_or_else(away)?.serve(request).await
        })
    }
}

/// A replica makes a snapshot of its register after this many entries.
const SNAPSHOT_ENTRIES: u64 = 4;

struct Node {
    server: LogServer,
    meta: Arc<MetaReplica>,
}

async fn start(drive: &Drive, seed: u64, voters: &[StorageId], switch: &Switch) -> Node {
    let seams = sim_seams(drive, seed);
    let server = LogServer::open(seams.clone(), small(), CancellationToken::new()).await.unwrap();
    let alone = MetaConfig::alone(server.storage_id());
    let config = MetaConfig { voters: voters.to_vec(), snapshot_entries: SNAPSHOT_ENTRIES, ..alone };
    let peers = Arc::new(Switch { own: server.storage_id(), ..switch.clone() });
    let meta = MetaReplica::start(&server, &seams, config, peers, CancellationToken::new()).await.unwrap();
    switch.replicas.lock().insert(server.storage_id(), meta.clone());
    Node { server, meta }
}

async fn stop(node: Node) {
    node.meta.shutdown().await.unwrap();
    node.server.shutdown().await.unwrap();
}

async fn cluster(drives: &[Drive], switch: &Switch) -> Vec<Node> {
    let mut voters = Vec::new();
    for (i, drive) in drives.iter().enumerate() {
        let server = LogServer::open(sim_seams(drive, 10 + i as u64), small(), CancellationToken::new()).await.unwrap();
        voters.push(server.storage_id());
        server.shutdown().await.unwrap();
    }
    let mut nodes = Vec::new();
    for (i, drive) in drives.iter().enumerate() {
        nodes.push(start(drive, 10 + i as u64, &voters, switch).await);
    }
    nodes
}

#[test]
fn three_replicas_conform_and_survive_the_leader() {
    let drives: Vec<_> = (0..3).map(Drive::new).collect();
    simulate(async {
        let switch = Switch::default();
        let mut nodes = cluster(&drives, &switch).await;
        // Followers pass reads and puts on to the leader.
        suite::meta_store(nodes[1].meta.as_ref()).await;
        let value = nodes[2].meta.get().await.unwrap();
        assert_eq!(nodes[0].meta.get().await, Ok(value.clone()));

        let leader = nodes[0].meta.leader().unwrap();
        let at = nodes.iter().position(|n| n.server.storage_id() == leader).unwrap();
        switch.replicas.lock().remove(&leader);
        stop(nodes.remove(at)).await;
        assert_eq!(nodes[0].meta.get().await, Ok(value), "two of three go on");
        let put = nodes[1].meta.put(ChainVersion(40), Bytes::from_static(b"after")).await;
        assert_eq!(put, Ok(PutOutcome::Ok(ChainVersion(41))));

        // One of three replicas is no quorum: it can neither read nor write.
        let gone = nodes.remove(0);
        switch.replicas.lock().remove(&gone.server.storage_id());
        stop(gone).await;
        assert!(matches!(nodes[0].meta.get().await, Err(MetaError::Unavailable(_))));
        let put = nodes[0].meta.put(ChainVersion(41), Bytes::from_static(b"alone")).await;
        assert!(matches!(put, Err(MetaError::Unknown(_))), "{put:?}");

        // All come back. The put of the replica that was alone may have happened or not; nothing else has changed.
        for (i, drive) in drives.iter().enumerate() {
            let here = nodes[0].server.storage_id();
            if !drive_is(drive, here) {
                nodes.push(start(drive, 20 + i as u64, &[], &switch).await);
            }
        }
        let clock = SimClock::new(Duration::ZERO);
        clock.sleep(Duration::from_secs(2)).await;
        let found = nodes[2].meta.get().await.unwrap();
        assert!(found.version.0 == 41 && found.bytes == "after" || found.version.0 == 42 && found.bytes == "alone");
        for node in nodes {
            stop(node).await;
        }
    });
}

#[test]
fn a_replica_whose_disk_hangs_reads_through_the_others() {
    let drives: Vec<_> = (0..3).map(Drive::new).collect();
    simulate(async {
        let switch = Switch::default();
        let nodes = cluster(&drives, &switch).await;
        nodes[0].meta.put(ChainVersion(0), Bytes::from_static(b"one")).await.unwrap();
        let hung = nodes[0].meta.leader().unwrap();
        let (mut others, mut hangs) = (Vec::new(), None);
        for (node, drive) in nodes.into_iter().zip(&drives) {
            if node.server.storage_id() == hung {
                let never = Duration::from_secs(100_000);
                drive.set_latency(Latency { sync: never, ..Latency::default() });
                hangs = Some(node);
            } else {
                others.push(node);
            }
        }
        let hangs = hangs.unwrap();
        // The leader cannot finish a put, because its disk hangs. The others elect a new leader and go on without the old
        // one. The outcome of a put before this election may be unknown.
        let written = loop {
            let before = others[0].meta.get().await.unwrap().version;
            if let Ok(PutOutcome::Ok(version)) = others[0].meta.put(before, Bytes::from_static(b"two")).await {
                break version;
            }
        };
        assert_eq!(hangs.meta.get().await.map(|value| value.version), Ok(written));
    });
}

#[test]
fn a_replica_that_does_not_reach_the_leader_reads_and_writes_through_a_third_one() {
    let drives: Vec<_> = (0..3).map(Drive::new).collect();
    simulate(async {
        let switch = Switch::default();
        let nodes = cluster(&drives, &switch).await;
        nodes[0].meta.put(ChainVersion(0), Bytes::from_static(b"one")).await.unwrap();
        let leader = nodes[0].meta.leader().unwrap();
        let cut = nodes.iter().find(|node| node.server.storage_id() != leader).unwrap();
        *switch.pair.lock() = Some([leader, cut.server.storage_id()]);
        for version in 1..5 {
            let put = cut.meta.put(ChainVersion(version), Bytes::from_static(b"more")).await;
            assert_eq!(put, Ok(PutOutcome::Ok(ChainVersion(version + 1))));
            assert_eq!(cut.meta.get().await.map(|value| value.version), Ok(ChainVersion(version + 1)));
        }
        for node in nodes {
            stop(node).await;
        }
    });
}

#[test]
fn a_leader_that_is_no_voter_any_more_reads_through_the_others() {
    let drives: Vec<_> = (0..3).map(Drive::new).collect();
    simulate(async {
        let (switch, clock) = (Switch::default(), SimClock::new(Duration::ZERO));
        let nodes = cluster(&drives, &switch).await;
        nodes[0].meta.put(ChainVersion(0), Bytes::from_static(b"one")).await.unwrap();
        let leader = nodes[0].meta.leader().unwrap();
        let (leaving, others): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| node.server.storage_id() == leader);
        let wanted: BTreeSet<_> = others.iter().map(|node| node.server.storage_id()).collect();
        for _ in 0..20 {
            for node in &nodes {
                // A step that failed is made again.
                let _ = node.meta.set_members(&wanted, &BTreeSet::new()).await;
            }
            clock.sleep(Duration::from_millis(300)).await;
        }
        assert!(others.iter().all(|node| node.meta.voters() == wanted), "the leader has left");
        let before = others[0].meta.get().await.unwrap().version;
        let written = others[0].meta.put(before, Bytes::from_static(b"two")).await.unwrap();
        let PutOutcome::Ok(version) = written else { panic!("{written:?}") };
        assert_eq!(leaving[0].meta.get().await.map(|value| value.version), Ok(version));
        for node in nodes {
            stop(node).await;
        }
    });
}

/// Puts `puts` values and starts the leader again. For a while the new process cannot learn from the others which entries
/// are committed. Returns the version of the value that it reads.
fn version_after_a_new_start(puts: u64) -> u64 {
    let drives: Vec<_> = (0..3).map(Drive::new).collect();
    let found = Arc::new(Mutex::new(0));
    simulate(async {
        let switch = Switch::default();
        let mut nodes = cluster(&drives, &switch).await;
        for version in 0..puts {
            let put = nodes[0].meta.put(ChainVersion(version), Bytes::from(vec![7; NARROW_BYTES])).await;
            assert_eq!(put, Ok(PutOutcome::Ok(ChainVersion(version + 1))));
        }
        let leader = nodes[0].meta.leader().unwrap();
        let at = nodes.iter().position(|n| n.server.storage_id() == leader).unwrap();
        stop(nodes.remove(at)).await;
        let drive = drives.iter().find(|drive| drive_is(drive, leader)).unwrap();
        // The others have not noticed the restart. So this replica is still the leader, and they answer its heartbeats.
        switch.is_narrow.store(true, Ordering::Relaxed);
        let again = start(drive, 20, &[], &switch).await;
        let clock = SimClock::new(Duration::ZERO);
        let widen = async {
            clock.sleep(Duration::from_millis(40)).await;
            switch.is_narrow.store(false, Ordering::Relaxed);
        };
        let (value, ()) = tokio::join!(again.meta.get(), widen);
        *found.lock() = value.unwrap().version.0;
        stop(again).await;
        for node in nodes {
            stop(node).await;
        }
    });
    *found.lock()
}

#[test]
fn a_leader_that_is_started_again_answers_with_everything_that_was_acknowledged_before() {
    // Some of these logs end right after a snapshot, and some have entries after it.
    for puts in 2 * SNAPSHOT_ENTRIES..3 * SNAPSHOT_ENTRIES {
        assert_eq!(version_after_a_new_start(puts), puts);
    }
}

#[test]
fn a_voter_that_lost_its_disk_is_replaced_by_a_new_one_which_learns_first() {
    let drives: Vec<_> = (0..3).map(Drive::new).collect();
    let (empty, clock) = (Drive::new(9), SimClock::new(Duration::ZERO));
    simulate(async {
        let switch = Switch::default();
        let mut nodes = cluster(&drives, &switch).await;
        for version in 0..20 {
            nodes[0].meta.put(ChainVersion(version), "before".into()).await.unwrap();
        }
        let lost = nodes.remove(2);
        let gone = lost.server.storage_id();
        switch.replicas.lock().remove(&gone);
        stop(lost).await;

        let new = start(&empty, 30, &[], &switch).await;
        let ids = |nodes: &[Node]| nodes.iter().map(|node| node.server.storage_id()).collect::<BTreeSet<_>>();
        let wanted: BTreeSet<_> = ids(&nodes).into_iter().chain([new.server.storage_id()]).collect();
        // The new one cannot be reached yet: it must not vote.
        switch.replicas.lock().remove(&new.server.storage_id());
        let step = async |nodes: &[Node]| {
            for node in nodes {
                // A step that failed is made again.
                let _ = node.meta.set_members(&wanted, &BTreeSet::new()).await;
            }
            clock.sleep(Duration::from_millis(300)).await;
        };
        for _ in 0..10 {
            step(&nodes).await;
            assert!(nodes.iter().all(|node| node.meta.voters().contains(&gone)), "it has learnt nothing yet");
        }
        switch.replicas.lock().insert(new.server.storage_id(), new.meta.clone());
        nodes.push(new);
        for _ in 0..20 {
            step(&nodes).await;
        }
        assert!(nodes.iter().all(|node| node.meta.voters() == wanted), "all know the new voters");
        assert!(nodes[0].meta.set_members(&wanted, &BTreeSet::new()).await.unwrap(), "nothing is left to do");

        // The new voter counts: another voter may be lost.
        let other = nodes.remove(0);
        switch.replicas.lock().remove(&other.server.storage_id());
        stop(other).await;
        clock.sleep(Duration::from_secs(2)).await;
        let put = nodes[1].meta.put(ChainVersion(20), "after".into()).await;
        assert_eq!(put, Ok(PutOutcome::Ok(ChainVersion(21))));
        for node in nodes {
            stop(node).await;
        }
    });
}

/// Whether `drive` holds the data directory of `storage`.
fn drive_is(drive: &Drive, storage: StorageId) -> bool {
    let format = drive.content("format").unwrap();
    String::from_utf8(format).unwrap().contains(&format!("{:016x}", storage.0))
}
