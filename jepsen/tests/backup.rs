//! Backups go from etcd to Naxos and back, with real etcd servers and etcd's own tools.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use naxos_jepsen::cluster::start_all;
use naxos_jepsen::etcd_server::{EtcdServer, free_ports, member_list};
use naxos_jepsen::process::output;
use naxos_jepsen::servers::Server;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::lease_client::LeaseClient;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use naxos_proto::etcd::client::mvccpb::KeyValue;
use pb::request_op::Request;
use tonic::transport::{Channel, Endpoint};

/// How far a restore raises the revision.
const BUMP: i64 = 1_000_000;
/// The token of a restored cluster.
const TOKEN: &str = "--initial-cluster-token=after-the-fire";

fn naxos() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node"))
}

/// The real programs, and a folder for files and data directories.
struct Bench {
    etcd: PathBuf,
    etcdctl: PathBuf,
    etcdutl: PathBuf,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

/// A member that is alone, its data directory, and the flags for a restore into that directory.
struct Alone {
    server: EtcdServer,
    data: PathBuf,
    /// The flags of a restore.
    flags: Vec<String>,
}

/// What a client can see of a server's state.
#[derive(Debug, PartialEq)]
struct Seen {
    /// All keys at each revision, and the HashKV.
    at: BTreeMap<i64, (Vec<KeyValue>, u32)>,
    /// The leases, with their time-to-live and their keys.
    leases: BTreeMap<i64, (i64, Vec<Vec<u8>>)>,
}

fn all(revision: i64) -> pb::RangeRequest {
    pb::RangeRequest { key: vec![0].into(), range_end: vec![0].into(), revision, ..Default::default() }
}

fn put(key: &str, value: Vec<u8>, lease: i64) -> pb::PutRequest {
    pb::PutRequest { key: key.to_owned().into(), value: value.into(), lease, ..Default::default() }
}

impl Bench {
    /// `None`, with the reason printed, if a program cannot be had.
    fn new() -> Option<Self> {
        let [etcd, etcdctl, etcdutl] = [Server::Etcd, Server::Etcdctl, Server::Etcdutl].map(Server::executable);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary directory");
        Some(Self { etcd: etcd?, etcdctl: etcdctl?, etcdutl: etcdutl?, folder, runtime })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A member with the data directory `name`, which is not started yet.
    fn alone(&self, program: &Path, name: &str) -> Alone {
        let [client, peer] = free_ports();
        let url = format!("http://127.0.0.1:{peer}");
        let listed = member_list([(name, &url)]);
        let server = EtcdServer::member(program, self.folder.path(), (name, client, &url), &listed, &[]);
        let data = self.path(name);
        let flags = vec![
            format!("--data-dir={}", data.display()),
            format!("--name={name}"),
            format!("--initial-cluster={listed}"),
            format!("--initial-advertise-peer-urls={url}"),
        ];
        Alone { server, data, flags }
    }

    /// An etcd with a history ([`Self::fill`]), and its revision.
    fn filled_etcd(&self) -> (Alone, i64) {
        let mut old = self.alone(&self.etcd, "old");
        old.server.start_again();
        self.fill(&old.server);
        let last = self.revision(&old.server);
        (old, last)
    }

    fn channel(&self, server: &EtcdServer) -> Channel {
        let _inside = self.runtime.enter();
        Endpoint::from_shared(server.client_url().to_owned()).expect("a URL").connect_lazy()
    }

    fn kv(&self, server: &EtcdServer) -> KvClient<Channel> {
        KvClient::new(self.channel(server)).max_decoding_message_size(usize::MAX)
    }

    /// Writes a history: keys with several versions, transactions with several changes at one revision, deletions, a key that
    /// comes back, leases, a large value and a compaction.
    fn fill(&self, server: &EtcdServer) {
        let (mut kv, mut leases) = (self.kv(server), LeaseClient::new(self.channel(server)));
        self.runtime.block_on(async {
            for (id, ttl) in [(7, 600), (8, 1_200), (9, 60)] {
                leases.lease_grant(pb::LeaseGrantRequest { id, ttl }).await.expect("a lease");
            }
            for n in 0..400_usize {
                let lease = [0, 7, 8, 0][n % 4];
                kv.put(put(&format!("key/{:02}", n % 50), vec![b'v'; n], lease)).await.expect("a put");
            }
            kv.put(put("large", vec![1; 1 << 20], 0)).await.expect("a put");
            for n in 0..20 {
                let op = |key: String| pb::RequestOp { request: Some(Request::RequestPut(put(&key, vec![n], 9))) };
                let delete = pb::DeleteRangeRequest { key: format!("key/{n:02}").into(), ..Default::default() };
                let delete = pb::RequestOp { request: Some(Request::RequestDeleteRange(delete)) };
                let success = vec![op(format!("txn/{n}")), delete, op("txn/last".to_owned())];
                kv.txn(pb::TxnRequest { success, ..Default::default() }).await.expect("a transaction");
            }
            leases.lease_revoke(pb::LeaseRevokeRequest { id: 8 }).await.expect("a revoke");
            kv.put(put("key/03", b"again".to_vec(), 0)).await.expect("a put");
            kv.compact(pb::CompactionRequest { revision: 300, physical: true }).await.expect("a compaction");
            for n in 0..30 {
                kv.put(put("last", vec![n], 0)).await.expect("a put");
            }
        });
    }

    fn revision(&self, server: &EtcdServer) -> i64 {
        let answer = self.runtime.block_on(self.kv(server).range(all(0))).expect("a list").into_inner();
        answer.header.expect("an answer has a header").revision
    }

    fn seen(&self, server: &EtcdServer, revisions: &[i64]) -> Seen {
        let mut at = BTreeMap::new();
        for revision in revisions.iter().copied() {
            let kvs = self.runtime.block_on(self.kv(server).range(all(revision))).expect("a list").into_inner().kvs;
            let mut client = MaintenanceClient::new(self.channel(server));
            let hash = self.runtime.block_on(client.hash_kv(pb::HashKvRequest { revision })).expect("a hash");
            at.insert(revision, (kvs, hash.into_inner().hash));
        }
        let mut client = LeaseClient::new(self.channel(server));
        let leases = self.runtime.block_on(async {
            let mut leases = BTreeMap::new();
            for lease in client.lease_leases(pb::LeaseLeasesRequest {}).await.expect("leases").into_inner().leases {
                let asked = pb::LeaseTimeToLiveRequest { id: lease.id, keys: true };
                let found = client.lease_time_to_live(asked).await.expect("a lease").into_inner();
                let mut keys: Vec<Vec<u8>> = found.keys.iter().map(|key| key.to_vec()).collect();
                keys.sort();
                leases.insert(lease.id, (found.granted_ttl, keys));
            }
            leases
        });
        Seen { at, leases }
    }

    /// `etcdctl snapshot save`.
    fn save(&self, server: &EtcdServer, file: &str) -> PathBuf {
        let path = self.path(file);
        let endpoint = format!("--endpoints={}", server.client_url());
        let arguments = [endpoint, "snapshot".to_owned(), "save".to_owned(), text(&path)];
        output(&self.etcdctl, &arguments, "").unwrap_or_else(|error| panic!("etcdctl snapshot save: {error}"));
        path
    }

    /// `etcdutl snapshot status`: the revision and the number of keys.
    fn status(&self, file: &Path) -> (i64, u64) {
        let arguments = ["snapshot", "status", &text(file), "-w", "json"];
        let printed = output(&self.etcdutl, &arguments, "").unwrap_or_else(|error| panic!("etcdutl: {error}"));
        let found: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        (found["revision"].as_i64().expect("a revision"), found["totalKey"].as_u64().expect("a number"))
    }

    /// Runs `etcdutl snapshot restore` and starts etcd on the result.
    fn restored_etcd(&self, file: &Path, name: &str) -> Alone {
        let mut alone = self.alone(&self.etcd, name);
        let mut arguments = vec!["snapshot".to_owned(), "restore".to_owned(), file.display().to_string()];
        arguments.extend(alone.flags.clone());
        output(&self.etcdutl, &arguments, "").unwrap_or_else(|error| panic!("etcdutl snapshot restore: {error}"));
        alone.server.start_again();
        alone
    }

    /// Runs `naxos ctl restore` with these words and starts Naxos on the result.
    fn restored_naxos(&self, words: &[String], name: &str) -> Alone {
        let mut alone = self.alone(naxos(), name);
        let mut arguments = vec!["ctl".to_owned(), "restore".to_owned()];
        arguments.extend(words.iter().cloned().chain(alone.flags.clone()));
        let printed = output(naxos(), &arguments, "").unwrap_or_else(|error| panic!("naxos ctl restore: {error}"));
        println!("{printed}");
        alone.server.start_again();
        alone
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_state_goes_from_etcd_to_naxos_and_back() {
    let Some(bench) = Bench::new() else { return };
    let (old, last) = bench.filled_etcd();
    let revisions = [301, 350, 402, 415, last];
    let before = bench.seen(&old.server, &revisions);
    let file = bench.save(&old.server, "from-etcd");

    let ours = bench.restored_naxos(&[text(&file)], "ours");
    assert_eq!(bench.revision(&ours.server), last);
    assert_eq!(bench.seen(&ours.server, &revisions), before);

    let file = bench.save(&ours.server, "from-naxos");
    let (revision, keys) = bench.status(&file);
    assert_eq!((revision, keys), (last, before.at[&last].0.len() as u64));
    let back = bench.restored_etcd(&file, "back");
    assert_eq!(bench.revision(&back.server), last);
    assert_eq!(bench.seen(&back.server, &revisions), before);
    // The restored etcd works like any other: it takes a put and a compaction, and starts again.
    let mut back = back;
    bench.runtime.block_on(bench.kv(&back.server).put(put("more", vec![1], 0))).expect("a put");
    let compaction = pb::CompactionRequest { revision: last, physical: true };
    bench.runtime.block_on(bench.kv(&back.server).compact(compaction)).expect("a compaction");
    back.server.terminate();
    back.server.start_again();
    assert_eq!(bench.revision(&back.server), last + 1);
}

#[test]
fn a_data_directory_of_etcd_is_taken_over_once_etcd_has_stopped() {
    let Some(bench) = Bench::new() else { return };
    let (mut old, last) = bench.filled_etcd();
    let before = bench.seen(&old.server, &[350, last]);
    let words = [format!("--etcd-data-dir={}", old.data.display())];
    let refused = format!("--data-dir={}", text(&bench.path("refused")));
    let arguments = ["ctl", "restore", &words[0], &refused];
    let refusal = output(naxos(), &arguments, "").expect_err("etcd runs");
    assert!(refusal.contains("another process has it open"), "{refusal}");
    assert!(!bench.path("refused").exists());
    old.server.terminate();

    // A server that is started on etcd's directory names the command.
    let [client, peer] = free_ports();
    let url = format!("http://127.0.0.1:{peer}");
    let mut foreign =
        EtcdServer::member(naxos(), bench.folder.path(), ("old", client, &url), &member_list([("old", &url)]), &[]);
    let refusal = foreign.try_start().expect_err("it is etcd's directory");
    assert!(refusal.contains("naxos ctl restore --etcd-data-dir="), "{refusal}");

    let ours = bench.restored_naxos(&words, "ours");
    assert_eq!(bench.revision(&ours.server), last);
    assert_eq!(bench.seen(&ours.server, &[350, last]), before);
}

#[test]
fn a_raised_revision_is_kept_on_the_way_from_etcd_to_naxos_and_back() {
    let Some(bench) = Bench::new() else { return };
    let (old, last) = bench.filled_etcd();
    let keys = bench.seen(&old.server, &[last]).at.remove(&last).expect("it was asked for").0;
    let file = bench.save(&old.server, "from-etcd");
    let raise = [text(&file), format!("--bump-revision={BUMP}"), "--mark-compacted".to_owned()];
    let ours = bench.restored_naxos(&raise, "ours");
    let check = |server: &EtcdServer| {
        assert_eq!(bench.revision(server), last + BUMP);
        let now = bench.runtime.block_on(bench.kv(server).range(all(0))).expect("a list").into_inner();
        assert_eq!(now.kvs, keys);
        let old = bench.runtime.block_on(bench.kv(server).range(all(last))).expect_err("it is compacted");
        assert!(old.message().contains("required revision has been compacted"), "{old}");
    };
    check(&ours.server);
    let back = bench.restored_etcd(&bench.save(&ours.server, "from-naxos"), "back");
    check(&back.server);
    // A revision that etcdutl has raised is taken over, too.
    let mut raised = bench.alone(&bench.etcd, "raised");
    let mut arguments = vec!["snapshot".to_owned(), "restore".to_owned()];
    arguments.extend(raise.iter().cloned().chain(raised.flags.clone()));
    output(&bench.etcdutl, &arguments, "").unwrap_or_else(|error| panic!("etcdutl snapshot restore: {error}"));
    raised.server.start_again();
    check(&raised.server);
    let again = bench.restored_naxos(&[text(&bench.save(&raised.server, "raised-by-etcd"))], "again");
    check(&again.server);
}

#[test]
fn three_members_that_restore_the_same_file_are_one_cluster() {
    let Some(bench) = Bench::new() else { return };
    let (old, last) = bench.filled_etcd();
    let before = bench.seen(&old.server, &[350, last]);
    let file = bench.save(&old.server, "from-etcd");

    let names = ["a", "b", "c"];
    let ports: Vec<[u16; 2]> = names.iter().map(|_| free_ports()).collect();
    let url = |peer: u16| format!("http://127.0.0.1:{peer}");
    let listed = member_list(names.iter().zip(&ports).map(|(name, [_, peer])| (name, url(*peer))));
    let mut members: Vec<EtcdServer> = Vec::new();
    for (name, [client, peer]) in names.iter().zip(&ports) {
        let arguments = [
            "ctl".to_owned(),
            "restore".to_owned(),
            text(&file),
            format!("--data-dir={}", bench.path(name).display()),
            format!("--name={name}"),
            format!("--initial-cluster={listed}"),
            TOKEN.to_owned(),
            format!("--initial-advertise-peer-urls={}", url(*peer)),
        ];
        output(naxos(), &arguments, "").unwrap_or_else(|error| panic!("naxos ctl restore: {error}"));
        members.push(EtcdServer::member(naxos(), bench.folder.path(), (name, *client, &url(*peer)), &listed, &[TOKEN]));
    }
    start_all(&mut members).unwrap_or_else(|error| panic!("{error:?}"));
    for member in &members {
        assert_eq!(bench.seen(member, &[350, last]), before);
    }
    // A member that loses its disk after that comes back with everything, although the log never held the beginning.
    bench.runtime.block_on(bench.kv(&members[1]).put(put("more", vec![1], 0))).expect("a put");
    members[2].kill();
    fs::remove_dir_all(bench.path("c")).expect("its disk is emptied");
    members[2].start_again();
    assert_eq!(bench.seen(&members[2], &[350, last]), before);
    assert_eq!(bench.revision(&members[2]), last + 1);
}
