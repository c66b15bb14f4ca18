//! `naxos ctl recover` on directories that it cannot use, and on those that it can. It never changes what it reads.

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use naxos_proto::etcd::client::etcdserverpb::lease_client::LeaseClient;
use naxos_proto::etcd::client::etcdserverpb::watch_client::WatchClient;
use naxos_proto::etcd::client::etcdserverpb::{
    LeaseGrantRequest, PutRequest, RangeRequest, WatchCreateRequest, WatchRequest, watch_request,
};
use naxos_proto::seams::{BootClock, Clock};
use support::{CtlEnded, Server, block_on, contents, ctl, kv};

/// Long enough for a checkpoint, which is made every second.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(1_300);
/// A lease of eight seconds must have ended after this.
const LEASE_LIMIT: Duration = Duration::from_secs(40);

fn recover(dir: &Path, words: &[&str]) -> CtlEnded {
    ctl(dir, "recover", words)
}

/// Writes some keys on the data directory `name`, the last of them after a checkpoint, and kills the server. Returns the
/// last revision.
fn filled(dir: &Path, name: &str) -> i64 {
    let data = format!("--data-dir={}", dir.join(name).display());
    let (mut server, address) = Server::serving(dir, &[&data]);
    let mut revision = block_on(async {
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        LeaseClient::new(channel).lease_grant(LeaseGrantRequest { id: 7, ttl: 8 }).await.unwrap();
        let put = PutRequest { key: "leased".into(), lease: 7, ..PutRequest::default() };
        kv(&address).put(put).await.unwrap().into_inner().header.unwrap().revision
    });
    for round in 0..2_u8 {
        revision = block_on(async {
            let mut kv = kv(&address);
            let mut revision = 0;
            for n in 0..20_u8 {
                let put = PutRequest { key: vec![n].into(), value: vec![round; 100].into(), ..PutRequest::default() };
                revision = kv.put(put).await.unwrap().into_inner().header.unwrap().revision;
            }
            if round == 0 {
                BootClock.sleep(CHECKPOINT_WAIT).await;
            }
            revision
        });
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    revision
}

/// Checks that the command ends with this text, and changes nothing.
fn refused(dir: &Path, words: &[&str], text: &str) {
    let before = contents(dir);
    for words in [words.to_vec(), [words, &["--yes"]].concat()] {
        let ended = recover(dir, &words);
        assert_eq!(ended.code, Some(1), "{words:?}: {}", ended.err);
        assert!(ended.err.contains(text), "{words:?}: expected {text:?}, found {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "one sentence: {}", ended.err);
    }
    assert_eq!(contents(dir), before, "{words:?}");
}

#[test]
fn directories_that_cannot_be_used_are_named_with_what_was_expected() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    filled(dir, "good");
    filled(dir, "other");
    for name in ["empty", "etcd/member", "photos/2026"] {
        fs::create_dir_all(dir.join(name)).unwrap();
    }
    refused(dir, &["--data-dir=missing", "--to=new"], "missing: the data directory cannot be used (No such file");
    refused(dir, &["--data-dir=empty", "--to=new"], "empty: the data directory holds no data");
    refused(dir, &["--data-dir=etcd", "--to=new"], "etcd: the data directory belongs to etcd");
    refused(dir, &["--data-dir=photos", "--to=new"], "photos: the data directory is not empty and not one of Naxos");
    refused(dir, &["--data-dir=good", "--data-dir=other", "--to=new"], "members of one cluster");
    refused(dir, &["--data-dir=good", "--data-dir=./good", "--to=new"], "given twice");
    refused(dir, &["--data-dir=good", "--to=good"], "given twice");
    refused(dir, &["--data-dir=good", "--to=other"], "--to other: it is not empty (it has \"format\")");
    refused(dir, &["--data-dir=good", "--to=photos"], "--to photos: it is not empty (it has \"2026\")");
    refused(
        dir,
        &["--data-dir=good", "--to=new", "--initial-advertise-peer-urls=here"],
        "--initial-advertise-peer-urls: ",
    );
    let none = recover(dir, &["--data-dir=good", "--to=new", "--bump-revision=0"]);
    assert!(none.code == Some(2) && none.err.contains("1..="), "{}", none.err);

    let data = format!("--data-dir={}", dir.join("good").display());
    let (mut server, _) = Server::serving(dir, &[&data]);
    let running = recover(dir, &["--data-dir=good", "--to=new", "--yes"]);
    assert!(running.err.contains("good: the data directory is in use by another process"), "{}", running.err);
    assert!(!dir.join("new").exists());
    server.child.kill().unwrap();
}

#[test]
fn without_yes_it_only_looks_and_with_yes_a_watch_from_before_is_told_to_list_again() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let revision = filled(dir, "old");
    let before = contents(dir);
    let looked = recover(dir, &["--data-dir=old", "--to=new"]);
    assert_eq!(looked.code, Some(0), "{}", looked.err);
    for text in [
        "last durable position: ",
        "Kept: all positions below ",
        "raise the revision by 1000000000",
        "Nothing was changed",
    ] {
        assert!(looked.out.contains(text), "{text:?} is not in\n{}", looked.out);
    }
    assert!(
        looked.out.contains("Missing: nothing that was acknowledged"),
        "the directory of the only member lacks something:\n{}",
        looked.out
    );
    assert_eq!(contents(dir), before);

    let done = recover(dir, &["--data-dir=old", "--to=new", "--bump-revision=5000", "--name=n1", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("step 5 of 5"), "{}", done.out);
    assert!(done.out.contains(&format!("The newest write that was kept has revision {revision}.")), "{}", done.out);
    let mut old = contents(dir);
    old.retain(|path, _| !path.starts_with("new") && !path.starts_with(dir.join("new")));
    assert_eq!(old, before, "what was read was not changed");

    for start in 0..2 {
        let data = format!("--data-dir={}", dir.join("new").display());
        let (mut server, address) = Server::serving(dir, &[&data]);
        block_on(async {
            let mut client = kv(&address);
            let all = RangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..RangeRequest::default() };
            let found = client.range(all.clone()).await.unwrap().into_inner();
            assert!(found.header.unwrap().revision >= revision + 5_000);
            let values: Vec<_> = found.kvs.iter().filter(|one| one.value == vec![1; 100]).collect();
            assert_eq!(values.len(), 20, "every write is there");
            let at = client.range(RangeRequest { revision, ..all }).await.unwrap_err();
            assert!(at.message().contains("required revision has been compacted"), "{at}");
            let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
            let create = WatchCreateRequest {
                key: vec![0].into(),
                range_end: vec![0].into(),
                start_revision: revision + 100,
                ..WatchCreateRequest::default()
            };
            let request = WatchRequest { request_union: Some(watch_request::RequestUnion::CreateRequest(create)) };
            let requests = futures::stream::iter([request]);
            let mut stream = WatchClient::new(channel).watch(requests).await.unwrap().into_inner();
            let mut compacted = 0;
            while let Some(answer) = stream.message().await.unwrap() {
                compacted = compacted.max(answer.compact_revision);
                if answer.canceled {
                    break;
                }
            }
            assert_eq!(compacted, revision + 5_000, "whoever saw revisions of lost writes lists again");
            let is_leased = async || {
                let leased = RangeRequest { key: "leased".into(), ..RangeRequest::default() };
                client.clone().range(leased).await.unwrap().into_inner().count > 0
            };
            assert!(start == 1 || is_leased().await, "the lease was lost");
            let end = BootClock.now().after(LEASE_LIMIT);
            while is_leased().await {
                assert!(BootClock.now() < end, "the lease does not end under a keeper of the new log");
                BootClock.sleep(Duration::from_millis(100)).await;
            }
            let put = PutRequest { key: "new".into(), value: vec![start].into(), ..PutRequest::default() };
            client.put(put).await.unwrap();
        });
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    }
}
