//! `Maintenance.Snapshot` and `naxos ctl restore`: a server that starts on a restored directory has the state of the
//! snapshot, and what cannot be restored is refused and leaves nothing behind. `jepsen/tests/backup.rs` does the same with
//! real etcd servers.

mod support;

use std::fs;
use std::path::Path;

use naxos_proto::etcd::client::etcdserverpb::lease_client::LeaseClient;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use naxos_proto::etcd::client::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, HashKvRequest, LeaseGrantRequest, LeaseTimeToLiveRequest, PutRequest,
    RangeRequest, SnapshotRequest,
};
use naxos_proto::etcd::client::mvccpb::KeyValue;
use support::{CtlEnded, Server, block_on, contents, ctl, kv};
use tonic::transport::{Channel, Endpoint};

fn restore(dir: &Path, words: &[&str]) -> CtlEnded {
    ctl(dir, "restore", words)
}

fn channel(address: &str) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// Keys with a history, deletions, a large value, a lease and a compaction.
async fn fill(address: &str) {
    let mut kv = kv(address);
    LeaseClient::new(channel(address)).lease_grant(LeaseGrantRequest { id: 7, ttl: 900 }).await.unwrap();
    for n in 0..200_u32 {
        let key = format!("key {}", n % 40).into();
        let lease = if n % 40 == 3 { 7 } else { 0 };
        kv.put(PutRequest { key, value: vec![b'v'; n as usize].into(), lease, ..Default::default() }).await.unwrap();
    }
    kv.put(PutRequest { key: "large".into(), value: vec![1; 1 << 20].into(), ..Default::default() }).await.unwrap();
    let range = DeleteRangeRequest { key: "key 1".into(), range_end: "key 2".into(), ..Default::default() };
    kv.delete_range(range).await.unwrap();
    kv.compact(CompactionRequest { revision: 150, physical: true }).await.unwrap();
}

/// What a client can see of the state.
#[derive(Debug, PartialEq)]
struct Seen {
    revision: i64,
    now: Vec<KeyValue>,
    /// At a revision of the past.
    then: Vec<KeyValue>,
    hashes: Vec<u32>,
    lease: (i64, usize),
}

async fn seen(address: &str) -> Seen {
    let all =
        |revision| RangeRequest { key: vec![0].into(), range_end: vec![0].into(), revision, ..Default::default() };
    let now = kv(address).range(all(0)).await.unwrap().into_inner();
    let then = kv(address).range(all(170)).await.unwrap().into_inner();
    let mut hashes = Vec::new();
    for revision in [0, 151, 180, 202] {
        let mut client = MaintenanceClient::new(channel(address));
        hashes.push(client.hash_kv(HashKvRequest { revision }).await.unwrap().into_inner().hash);
    }
    let asked = LeaseTimeToLiveRequest { id: 7, keys: true };
    let lease = LeaseClient::new(channel(address)).lease_time_to_live(asked).await.unwrap().into_inner();
    let compacted = kv(address).range(all(140)).await.unwrap_err();
    assert!(compacted.message().contains("required revision has been compacted"), "{compacted}");
    let revision = now.header.unwrap().revision;
    Seen { revision, now: now.kvs, then: then.kvs, hashes, lease: (lease.granted_ttl, lease.keys.len()) }
}

/// The file that a client of Snapshot gets.
async fn snapshot(address: &str) -> Vec<u8> {
    let mut stream = MaintenanceClient::new(channel(address)).snapshot(SnapshotRequest {}).await.unwrap().into_inner();
    let (mut file, mut left) = (Vec::new(), None);
    while let Some(answer) = stream.message().await.unwrap() {
        assert!(answer.blob.len() <= 32 << 10 && answer.version == "3.6.0", "{answer:?}");
        let is_digest = left == Some(0);
        let expected = left.map(|left: u64| left - if is_digest { 0 } else { answer.blob.len() as u64 });
        assert!(expected.is_none_or(|expected| expected == answer.remaining_bytes), "{answer:?}");
        left = Some(answer.remaining_bytes);
        file.extend(answer.blob);
    }
    assert_eq!((file.len() % 512, left), (32, Some(0)));
    file
}

/// A server in `dir` that has a state, and a snapshot of it in the file `backup`.
fn backed_up(dir: &Path) -> (Server, String, Seen) {
    let data = format!("--data-dir={}", dir.join("old").display());
    let (server, address) = Server::serving(dir, &[&data]);
    let before = block_on(async {
        fill(&address).await;
        fs::write(dir.join("backup"), snapshot(&address).await).unwrap();
        seen(&address).await
    });
    (server, address, before)
}

#[test]
fn a_server_on_a_restored_directory_has_the_state_of_the_snapshot() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let (server, _, before) = backed_up(dir);
    drop(server);
    let done = restore(dir, &["backup", "--data-dir=new"]);
    assert_eq!((done.code, &done.err[..]), (Some(0), ""), "{}", done.out);
    for text in ["step 3 of 3", "1 leases. The revision is 203.", "Everything below revision 150 is compacted."] {
        assert!(done.out.contains(text), "{text:?} is not in\n{}", done.out);
    }
    let data = format!("--data-dir={}", dir.join("new").display());
    for start in 0..2_i64 {
        let (mut server, address) = Server::serving(dir, &[&data]);
        block_on(async {
            if start == 0 {
                assert_eq!(seen(&address).await, before);
            }
            let put = PutRequest { key: "more".into(), ..Default::default() };
            let revision = kv(&address).put(put).await.unwrap().into_inner().header.unwrap().revision;
            assert_eq!(revision, before.revision + 1 + start);
        });
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    }
}

#[test]
fn a_restore_that_was_interrupted_in_its_last_step_is_finished_by_the_next_run() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let (server, _, before) = backed_up(dir);
    drop(server);
    let words = ["backup", "--data-dir=new"];
    assert_eq!(restore(dir, &words).code, Some(0));
    let (new, left) = (dir.join("new"), dir.join("new/recovery"));
    fs::create_dir(&left).unwrap();
    for not_moved_yet in ["format", "recovered"] {
        fs::rename(new.join(not_moved_yet), left.join(not_moved_yet)).unwrap();
    }
    let again = restore(dir, &words);
    assert!(again.code == Some(0) && again.out.contains("has finished the move"), "{}{}", again.out, again.err);
    assert!(new.join("format").is_file() && !left.exists());
    let (_server, address) = Server::serving(dir, &[&format!("--data-dir={}", new.display())]);
    assert_eq!(block_on(seen(&address)), before);
}

#[test]
fn a_snapshot_is_of_one_moment_although_writes_go_on() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let (_server, address, _) = backed_up(dir);
    let (file, revisions) = block_on(async {
        let mut writer = kv(&address);
        let write = async {
            let mut revisions = Vec::new();
            for n in 0..300_u32 {
                // Each transaction writes two keys: a moment has both or none.
                let value = n.to_be_bytes().to_vec();
                let put = |key: &'static str| PutRequest {
                    key: key.into(),
                    value: value.clone().into(),
                    ..Default::default()
                };
                let op = |key| naxos_proto::etcd::client::etcdserverpb::RequestOp {
                    request: Some(naxos_proto::etcd::client::etcdserverpb::request_op::Request::RequestPut(put(key))),
                };
                let txn = naxos_proto::etcd::client::etcdserverpb::TxnRequest {
                    success: vec![op("a"), op("b")],
                    ..Default::default()
                };
                revisions.push(writer.txn(txn).await.unwrap().into_inner().header.unwrap().revision);
            }
            revisions
        };
        let read = async {
            let mut files = Vec::new();
            for _ in 0..5 {
                files.push(snapshot(&address).await);
            }
            files.swap_remove(2)
        };
        futures::join!(read, write)
    });
    fs::write(dir.join("busy"), file).unwrap();
    assert_eq!(restore(dir, &["busy", "--data-dir=new"]).code, Some(0));
    let data = format!("--data-dir={}", dir.join("new").display());
    let (_restored, address) = Server::serving(dir, &[&data]);
    block_on(async {
        let value = async |key: &'static str| {
            let found =
                kv(&address).range(RangeRequest { key: key.into(), ..Default::default() }).await.unwrap().into_inner();
            (found.header.unwrap().revision, found.kvs.first().map(|one| (one.value.clone(), one.mod_revision)))
        };
        let (a, b) = (value("a").await, value("b").await);
        assert_eq!(a, b);
        assert!(a.0 <= *revisions.last().unwrap(), "{a:?}");
    });
}

#[test]
fn a_raised_revision_is_above_all_that_clients_have_seen_and_all_before_is_compacted() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let (server, _, before) = backed_up(dir);
    drop(server);
    let done = restore(dir, &["backup", "--data-dir=new", "--bump-revision=1000", "--mark-compacted"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let data = format!("--data-dir={}", dir.join("new").display());
    let (_server, address) = Server::serving(dir, &[&data]);
    block_on(async {
        let all =
            |revision| RangeRequest { key: vec![0].into(), range_end: vec![0].into(), revision, ..Default::default() };
        let found = kv(&address).range(all(0)).await.unwrap().into_inner();
        assert_eq!((found.header.unwrap().revision, found.kvs), (before.revision + 1_000, before.now));
        let old = kv(&address).range(all(before.revision)).await.unwrap_err();
        assert!(old.message().contains("required revision has been compacted"), "{old}");
        // A snapshot of this store has the raised revision, too.
        fs::write(dir.join("second"), snapshot(&address).await).unwrap();
    });
    let again = restore(dir, &["second", "--data-dir=third"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.out.contains(&format!("The revision is {}.", before.revision + 1_000)), "{}", again.out);
}

/// Checks that the command fails with one line that contains this text, and changes nothing.
fn refused(dir: &Path, words: &[&str], text: &str) {
    let before = contents(dir);
    let ended = restore(dir, words);
    assert_eq!(ended.code, Some(1), "{words:?}: {}{}", ended.out, ended.err);
    assert!(ended.err.contains(text), "{words:?}: expected {text:?}, found {}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "one sentence: {}", ended.err);
    assert_eq!(contents(dir), before, "{words:?}");
}

#[test]
fn what_cannot_be_restored_is_refused_in_a_sentence_and_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let (server, ..) = backed_up(dir);
    drop(server);
    let good = fs::read(dir.join("backup")).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for (name, bytes) in [
        ("flipped", &flipped[..]),
        ("cut", &good[..good.len() - 40_000]),
        ("unsigned", &good[..good.len() - 32]),
        ("half", &good[..good.len() / 2 / 512 * 512]),
        ("empty", b""),
        ("text", b"this is no backup"),
    ] {
        fs::write(dir.join(name), bytes).unwrap();
    }
    fs::create_dir_all(dir.join("photos/2026")).unwrap();
    let to = "--data-dir=new";
    refused(dir, &["missing", to], "missing: No such file");
    refused(dir, &["flipped", to], "flipped: its checksum does not hold: the file is damaged or truncated");
    refused(dir, &["cut", to], "cut: it has no checksum at its end");
    refused(dir, &["unsigned", to], "unsigned: it has no checksum at its end");
    refused(dir, &["half", to, "--skip-hash-check"], "half: it is truncated: expected");
    refused(dir, &["empty", to], "empty: it is empty");
    refused(dir, &["text", to, "--skip-hash-check"], "text: it is not a file of bbolt");
    refused(dir, &["backup", "--data-dir=photos"], "--data-dir photos: it is not empty (it has \"2026\")");
    refused(dir, &["backup", "--data-dir=old"], "--data-dir old: it is not empty (it has \"format\")");
    refused(
        dir,
        &["backup", to, "--bump-revision=5"],
        "--bump-revision and --mark-compacted: expected both or neither",
    );
    refused(dir, &["backup", to, "--mark-compacted"], "expected both or neither");
    refused(dir, &["backup", to, "--initial-advertise-peer-urls=here"], "--initial-advertise-peer-urls: ");
    refused(dir, &["backup", to, "--name=m", "--initial-cluster=n=http://a:1"], "couldn't find local name \"m\"");
    let two = "--initial-cluster=default=http://localhost:2380,other=http://localhost:2381";
    refused(dir, &["backup", to, two], "--initial-cluster-token: expected a token that was not used before");
    refused(dir, &["--etcd-data-dir=photos", to], "photos/member/snap/db: No such file");
    assert_eq!(restore(dir, &[to]).code, Some(2), "neither a file nor a directory");
    assert_eq!(restore(dir, &["unsigned", to, "--skip-hash-check"]).code, Some(0));
    refused(dir, &["backup", to], "--data-dir new: it is not empty");
}
